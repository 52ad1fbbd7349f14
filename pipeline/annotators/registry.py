"""What a person calls annotators and regions by: a name or a kind that is listed here, or `module:object`; see specs.py.

Each is imported when it is asked for: some need much that others do not.
"""

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.annotators import plugs, specs
from pipeline.annotators.base import Annotator, Embedder, embeds
from pipeline.annotators.mask_files import mask_file
from pipeline.annotators.regions import Box, Mask
from pipeline.errors import UserError


class Listed(NamedTuple):
    """An annotator of this table, with what it says of itself: so that a list of them costs no import."""

    path: str  # module:name
    attributes: tuple[str, ...]
    describes: str  # what it scores, and of what images


class KindOf(NamedTuple):
    """A kind of annotators or embedders that are made of something: KIND:OF."""

    path: str  # module:function, called with what it is made of, a text, and its settings
    of: str  # FILE, FOLDER, ID of the model hub
    describes: str


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
KINDS: dict[str, KindOf] = {
    "classifier": KindOf(
        "pipeline.annotators.classifier:classifier",
        "FOLDER",
        "A network of torchvision's or timm's architectures, which config.json in its folder describes.",
    ),
    "clip": KindOf("pipeline.annotators.clip:clip", "ID", "CLIP by pairs of prompts, from a folder or the model hub."),
    "exported": KindOf(
        "pipeline.annotators.exported:exported",
        "FILE",
        "A program of torch.export, which the JSON beside it describes.",
    ),
    "facenet": KindOf(
        "pipeline.annotators.facenet:facenet", "FILE", "Features of faces, to tell who is who; it scores nothing."
    ),
    "heads": KindOf(
        "pipeline.annotators.heads:heads",
        "FOLDER",
        "Attributes by linear heads on another network's features, as `python -m jobs.train_heads` makes them.",
    ),
    "huggingface": KindOf(
        "pipeline.annotators.huggingface:huggingface",
        "ID",
        "An image classifier of Hugging Face's transformers, from a folder or the model hub.",
    ),
    "onnx": KindOf("pipeline.annotators.onnx:onnx", "FILE", "An ONNX network, which the JSON beside it describes."),
    "table": KindOf(
        "pipeline.annotators.table:table",
        "FILE",
        "Labels by file name or sample_id: CSV, Parquet, CelebA's layout of text.",
    ),
}
REGIONS = dict.fromkeys(("eyes", "nose", "mouth", "head"), "pipeline.annotators.landmarks:Landmarks")


def listing() -> list[str]:
    """What annotators there are by name and kind, what each scores, and of what images: a line each; nothing is imported for it."""
    by_name = [f"{name} ({', '.join(each.attributes)}): {each.describes}" for name, each in ANNOTATORS.items()]
    return [*by_name, *(f"{kind}:{each.of}: {each.describes}" for kind, each in KINDS.items())]


def annotator(text: str) -> Annotator:
    """The annotator of a name in `ANNOTATORS`, of a kind in `KINDS`, or the one that `module:object` names.

    Raises UserError where there is none, and for what is none.
    """
    made: Annotator = _made(text, plugs.ANNOTATOR)
    listed = ANNOTATORS.get(made.name)
    if listed and type(made) is not imported(listed.path):
        raise UserError(f"{text} is called {made.name!r}, as another annotator is already. Give it another name.")
    return made


def embedder(text: str) -> Embedder:
    """The embedder that a spec names, by name, kind or `module:object`, or the annotator that is one too.

    Raises UserError where there is none, and for what is none.
    """
    spec = specs.parsed(text)
    if spec.plug not in ANNOTATORS and ":" in text:
        found: Embedder = _made(text, plugs.EMBEDDER)
        if not embeds(found):
            found.embedder()  # which says why it has no features
        return found
    annotates = annotator(text)
    if not embeds(annotates):
        raise UserError(f"{text!r} has no features to compare images by: expected one that has `embedder`.")
    return annotates


def placed(text: str) -> str:
    """Return the spec of an annotator, an embedder or a region with whole paths, so that it means the same in any folder.

    Only what stands after one of `KINDS` or `mask` can be a path: `my_plugs:judge` is no file, even where one is called `judge`.
    """
    return specs.placed(text, (*KINDS, "mask"))


def _made(text: str, kind: plugs.Kind) -> Any:
    """What a spec names, which is known to be a plug of its kind."""
    spec = specs.parsed(text)
    if spec.plug in ANNOTATORS:
        return specs.called(imported(ANNOTATORS[spec.plug].path), spec)
    if spec.name in KINDS and spec.of:
        made = specs.called(imported(KINDS[spec.name].path), spec)
        plugs.check(made, spec.plug, kind)
        return made
    if spec.name in KINDS and ":" in text:
        raise _of_nothing(text, f"{spec.name}:{KINDS[spec.name].of}")
    if ":" not in text:
        of = ", ".join(f"{name}:{each.of}" for name, each in KINDS.items())
        raise UserError(
            f"There is no annotator {text!r}; there are {', '.join(sorted(ANNOTATORS))}, {of},\n"
            "and any of your own by module:object, as in my_plugs:mine, from the folder that you stand in."
        )
    if spec.settings:
        raise UserError(
            f"{spec.plug} takes no settings ({', '.join(spec.settings)}); those of a plug of your own are its fields.\n"
            "Write another object beside it, with other fields."
        )
    return plugs.plug(text, kind)


def mask(text: str) -> Mask:
    """What a person types: eyes, nose, mouth, head, box:LEFT,TOP,RIGHT,BOTTOM, mask:FILE or the path alone, or module:object.

    Raises UserError where there is none, and for what is none.
    """
    if text in REGIONS:
        return imported(REGIONS[text])(text)
    if text.startswith("box:"):
        return _box(text)
    if Path(text).is_file():
        return mask_file(text)
    if text.startswith("mask:"):
        spec = specs.parsed(text)
        if not spec.of:
            raise _of_nothing(text, "mask:FILE")
        of_file: Mask = specs.called(mask_file, spec)
        return of_file
    if ":" in text:
        found: Mask = plugs.plug(text, plugs.REGION)
        if found.name in REGIONS and type(found) is not imported(REGIONS[found.name]):
            raise UserError(f"{text} is called {found.name!r}, as another region is already. Give it another name.")
        return found
    raise UserError(
        f"There is no mask {text!r}; expected {', '.join(REGIONS)}, box:LEFT,TOP,RIGHT,BOTTOM, mask:FILE, or\n"
        "one of your own by module:object, as in my_plugs:middle."
    )


def _of_nothing(text: str, expected: str) -> UserError:
    return UserError(f"{text!r} does not say what it is made of: expected {expected}.")


def _box(text: str) -> Box:
    try:
        left, top, right, bottom = (int(number) for number in text.removeprefix("box:").split(","))
    except ValueError:
        raise UserError(f"{text!r} is no box; expected box:LEFT,TOP,RIGHT,BOTTOM in pixels.") from None
    return Box(left, top, right, bottom)


def imported(path: str) -> Any:
    """An object by `module:name`."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
