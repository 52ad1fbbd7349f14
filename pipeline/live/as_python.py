"""What is set on the page as lines of Python that make the same pictures, and as an edit that travels as JSON."""

from typing import NamedTuple

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.direction_edit import DirectionEdit
from pipeline.live.studio import PictureOrder


class Source(NamedTuple):
    """How the catalog and its model were named to the server; None is what the catalog itself says, or the machine."""

    catalog: str
    model: str | None = None
    condition: str | None = None
    device: str | None = None


def as_python(source: Source, order: PictureOrder, steps: int) -> str:
    """Return lines that make the pictures of an order, to the bit on the machine that showed them. steps: of the catalog."""
    named = "".join(f", {name}={value!r}" for name, value in source._asdict().items() if name != "catalog" and value)
    strengths = dict(order.strengths)
    lines = [
        "from pipeline.catalog.direction_catalog import DirectionCatalog",
        "from pipeline.recipes.applied import Applier",
        "",
        f"catalog = DirectionCatalog.from_pretrained({source.catalog!r})",
        f"applier = Applier.of(catalog{named})",
        f"strengths = {strengths!r}  # in standard deviations of what each changes",
        f"made = applier.to_samples(strengths, seed={order.seed}, n={order.n})",
        "images = made.edited  # (B, H, W, 3) uint8; made.unedited are the same without the edit",
    ]
    if strengths:
        lines += [
            "",
            "# The same edit of other samples, in any pipeline of diffusers with this model:",
            "# with catalog.edit(pipe, strengths):",
            f"#     images = pipe(batch_size={order.n}, num_inference_steps={steps}).images",
        ]
    return "\n".join([*lines, ""])


def as_json(catalog: DirectionCatalog, order: PictureOrder) -> str:
    """Return the edit of an order as JSON, which `DirectionEdit.from_json` reads."""
    return DirectionEdit.of(catalog, dict(order.strengths)).to_json()
