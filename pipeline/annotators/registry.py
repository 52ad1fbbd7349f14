"""What a person calls annotators and regions by: a name that is listed here, or `module:object`.

Each is imported when it is asked for: some need much that others do not.
"""

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.annotators import plugs
from pipeline.annotators.base import Annotator, Embedder
from pipeline.annotators.regions import Box, Mask, mask_file
from pipeline.errors import UserError


class Listed(NamedTuple):
    """An annotator of this table, with what it says of itself: so that a list of them costs no import."""

    path: str  # module:name
    attributes: tuple[str, ...]
    describes: str  # what it scores, and of what images


ANNOTATORS = {
    "mtcnn": Listed(
        "pipeline.annotators.mtcnn:Mtcnn",
        ("face", "yaw", "pitch", "roll", "mouth_width"),
        "Whether there is a face, and its pose, by landmarks: of photographs, and of what looks like them.",
    ),
    "pixels": Listed(
        "pipeline.annotators.pixels:Pixels",
        ("brightness", "contrast", "warmth", "saturation", "sharpness"),
        "What any image has, whatever it shows, by plain arithmetic on its pixels.",
    ),
    "portraits": Listed(
        "pipeline.domains.portraits.annotators:PortraitAnnotator",
        ("smile", "glasses", "age", "gender", "yaw", "eyes_open", "skin"),
        "Attributes of the bundled drawn portraits. It has seen nothing else.",
    ),
    "portraits-judge": Listed(
        "pipeline.domains.portraits.annotators:PortraitJudge",
        ("smile", "glasses", "age", "gender", "yaw", "eyes_open", "skin"),
        "The same attributes of the bundled drawn portraits, by another network. It has seen nothing else.",
    ),
}
REGIONS = dict.fromkeys(("eyes", "nose", "mouth", "head"), "pipeline.annotators.landmarks:Landmarks")


def listing() -> list[str]:
    """What annotators there are by name, what each scores, and of what images: a line each, and nothing is imported for it."""
    return [f"{name} ({', '.join(each.attributes)}): {each.describes}" for name, each in ANNOTATORS.items()]


def annotator(spec: str) -> Annotator:
    """The annotator of a name in `ANNOTATORS`, with its default settings, or the one that `module:object` names.

    Raises UserError where there is none, and for what is none.
    """
    if spec in ANNOTATORS:
        return imported(ANNOTATORS[spec].path)()
    if ":" not in spec:
        raise UserError(
            f"There is no annotator {spec!r}; there are {', '.join(sorted(ANNOTATORS))},\n"
            "and any of your own by module:object, as in my_plugs:mine, from the folder that you stand in."
        )
    found: Annotator = plugs.plug(spec, plugs.ANNOTATOR)
    listed = ANNOTATORS.get(found.name)
    if listed and type(found) is not imported(listed.path):
        raise UserError(f"{spec} is called {found.name!r}, as another annotator is already. Give it another name.")
    return found


def embedder(spec: str) -> Embedder:
    """The embedder that `module:object` names, or the annotator of a name in `ANNOTATORS` that is one too.

    Raises UserError where there is none, and for what is none.
    """
    if spec not in ANNOTATORS and ":" in spec:
        found: Embedder = plugs.plug(spec, plugs.EMBEDDER)
        return found
    annotates = annotator(spec)
    if not isinstance(annotates, Embedder):
        raise UserError(f"{spec!r} has no features to compare images by: expected one that has `embedder`.")
    return annotates


def mask(text: str) -> Mask:
    """What a person types: eyes, nose, mouth, head, box:LEFT,TOP,RIGHT,BOTTOM, the path of an image file, or module:object.

    Raises UserError where there is none, and for what is none.
    """
    if text in REGIONS:
        return imported(REGIONS[text])(text)
    if text.startswith("box:"):
        return _box(text)
    if Path(text).is_file():
        return mask_file(text)
    if ":" in text:
        found: Mask = plugs.plug(text, plugs.REGION)
        if found.name in REGIONS and type(found) is not imported(REGIONS[found.name]):
            raise UserError(f"{text} is called {found.name!r}, as another region is already. Give it another name.")
        return found
    raise UserError(
        f"There is no mask {text!r}; expected {', '.join(REGIONS)}, box:LEFT,TOP,RIGHT,BOTTOM, the path of an image, or\n"
        "one of your own by module:object, as in my_plugs:middle."
    )


def _box(text: str) -> Box:
    try:
        left, top, right, bottom = (int(number) for number in text.removeprefix("box:").split(","))
    except ValueError:
        raise UserError(f"{text!r} is no box; expected box:LEFT,TOP,RIGHT,BOTTOM in pixels.") from None
    return Box(left, top, right, bottom)


def facenet(weights: Path) -> Embedder:
    """FaceNet with the weights in a file. Raises UserError for what holds none."""
    return imported("pipeline.annotators.facenet:facenet")(weights)


def imported(path: str) -> Any:
    """An object by `module:name`."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
