"""Export to safetensors: a file a direction, which explains itself.

FOLDER/NAME.safetensors     tensors by capture point, float32 (T, C, H, W); in its metadata what `facts` returns
FOLDER/directions.json      the file of every direction, by its name
"""

import json
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.export.vectors import facts, vectors
from pipeline.catalog.file_names import file_names

INDEX = "directions.json"


def write(catalog: DirectionCatalog, out: Path) -> None:
    """Write a catalog's directions into an empty folder."""
    found, about = vectors(catalog), catalog.about
    files = file_names([each.name for each in about.directions])
    for direction in about.directions:
        tensors = {each.point: each.values for each in found if each.direction is direction}
        metadata = {key: as_text(value) for key, value in facts(about, direction).items()}
        (out / f"{files[direction.name]}.safetensors").write_bytes(save(tensors, metadata))
    write_index(out / INDEX, {name: f"{file}.safetensors" for name, file in files.items()})


def as_text(value: Any) -> str:
    """A value of a safetensors file's metadata, which holds text alone: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def write_index(path: Path, index: Any) -> None:
    """Write what is in a folder as JSON."""
    path.write_text(json.dumps(index, indent=2) + "\n")
