"""Export to ComfyUI: a folder for its `custom_nodes`, with nodes that take a MODEL and add directions to its U-Net.

FOLDER/__init__.py      the nodes: pipeline/catalog/export/comfyui_node.py, which imports nothing of this project
FOLDER/sliders.json     the direction behind each slider
FOLDER/catalog/         catalog.json and the vectors, with their SHA256SUMS
"""

import json
from pathlib import Path

from pipeline.catalog.direction_catalog import SUMS, DirectionCatalog
from pipeline.catalog.export.vectors import VECTORS, vectors
from pipeline.catalog.file_names import file_names
from pipeline.catalog.summary import Summary
from pipeline.errors import UserError
from pipeline.formats.hashes import sha256

NODE = Path(__file__).with_name("comfyui_node.py")
UNET = "UNet2DConditionModel"  # those of text to image, which are all that ComfyUI has a loader for
FIXED = ("model", "catalog", "to")  # inputs of the node beside its sliders


def write(catalog: DirectionCatalog, out: Path) -> None:
    """Write a node folder into an empty folder. Raises UserError for a model that ComfyUI does not load."""
    kind = catalog.about.model.unet.get("_class_name", "UNet2DModel")
    if kind != UNET:
        raise UserError(
            f"These directions are of a {kind}, and ComfyUI loads no such network, but those of Stable Diffusion ({UNET}).\n"
            "Export to safetensors for whatever else runs this model."
        )
    vectors(catalog)  # which must be whole
    (out / "__init__.py").write_bytes(NODE.read_bytes())
    (out / "sliders.json").write_text(json.dumps(_sliders(catalog), indent=2) + "\n")
    (out / "catalog").mkdir()
    for name in ("catalog.json", VECTORS):
        (out / "catalog" / name).write_bytes(catalog.read(name))
    sums = [f"{sha256(path)}  {path.name}\n" for path in sorted((out / "catalog").iterdir())]
    (out / "catalog" / SUMS).write_text("".join(sums))


def _sliders(catalog: DirectionCatalog) -> dict[str, str]:
    """The recommended direction of each attribute, by a name that an input of a node can have."""
    recommended = {each.attribute: each.direction for each in Summary.of(catalog).recommended}
    names = file_names([*FIXED, *recommended])
    return {names[attribute]: direction for attribute, direction in recommended.items()}
