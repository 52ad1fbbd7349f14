"""What a person calls annotators and regions by. Each is imported when it is asked for: some need much that others do not."""

from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.annotators.base import Annotator, Embedder
from pipeline.annotators.regions import Box, Mask, mask_file
from pipeline.errors import UserError

ANNOTATORS = {
    "mtcnn": "pipeline.annotators.mtcnn:Mtcnn",
    "portraits": "pipeline.domains.portraits.annotators:PortraitAnnotator",
    "portraits-judge": "pipeline.domains.portraits.annotators:PortraitJudge",
}
REGIONS = dict.fromkeys(("eyes", "nose", "mouth", "head"), "pipeline.annotators.landmarks:Landmarks")


def annotator(name: str) -> Annotator:
    """The annotator of this name, with its default settings. Raises UserError where there is none."""
    if name not in ANNOTATORS:
        raise UserError(f"There is no annotator {name!r}; there are {', '.join(sorted(ANNOTATORS))}.")
    return imported(ANNOTATORS[name])()


def mask(text: str) -> Mask:
    """What a person types: eyes, nose, mouth, head, box:LEFT,TOP,RIGHT,BOTTOM, or the path of an image file."""
    if text in REGIONS:
        return imported(REGIONS[text])(text)
    if text.startswith("box:"):
        try:
            left, top, right, bottom = (int(number) for number in text.removeprefix("box:").split(","))
        except ValueError:
            raise UserError(f"{text!r} is no box; expected box:LEFT,TOP,RIGHT,BOTTOM in pixels.") from None
        return Box(left, top, right, bottom)
    if not Path(text).is_file():
        raise UserError(
            f"There is no mask {text!r}; expected {', '.join(REGIONS)}, box:LEFT,TOP,RIGHT,BOTTOM, or the path of an image."
        )
    return mask_file(text)


def facenet(weights: Path) -> Embedder:
    """FaceNet with the weights in a file. Raises UserError for what holds none."""
    return imported("pipeline.annotators.facenet:facenet")(weights)


def imported(path: str) -> Any:
    """An object by `module:name`."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
