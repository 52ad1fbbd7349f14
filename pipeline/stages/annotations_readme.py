"""What `annotations/README.md` says: what was annotated and how, what each column is, and what was left out."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.annotators.base import Annotator, describes
from pipeline.annotators.names import spec_of
from pipeline.fingerprint import settings
from pipeline.imagesets.encoded import FINER
from pipeline.stages.labels.annotate_images import AnnotateImages

if TYPE_CHECKING:
    from pipeline.stages.publish_annotations import Found

_USE = """\
```python
import pandas

images = pandas.read_parquet("images.parquet")
```

`images.parquet` has a row an image that can be read: `name`, its name within the set; `id`, its number among those; then the
columns below, float32, null where there is nothing to measure. `annotations.parquet` has the same scores in rows of `sample_id`
(the id), `annotator`, `attribute` and `score`. `broken.parquet` has `name`, `kind` and `reason` of images that cannot be read,
which are in no other table.

As labels of these images in a run: `python -m jobs.directions --images IMAGES --annotator table:images.parquet ...`.
"""


def readme(annotate: AnnotateImages, found: "Found", left_out: Sequence[Mapping[str, Any]]) -> str:
    """Return the page as Markdown."""
    images, broken = annotate.images, sum(found.broken.values())
    pieces = [
        "# Annotations",
        f"Of {images.n:,} images, {found.read:,} were read and {broken:,} are broken.\n"
        f"The listing of the set has the SHA-256 `{images.sha256}`.",
        _USE,
        "## Columns",
        _table(("column", "above it, it is present", "images with a score"), _columns(annotate, found)),
        "## Annotators",
        *(of_annotator(each) for each in annotate.annotators),
        "## Images",
        "Each image was turned upright as its metadata says, laid on white where it is transparent, and brought to "
        f"{annotate.height} x {annotate.width} pixels (height x width): the middle of it, as large as it goes, resized by "
        "Lanczos' filter; of an animation the first frame, of 16 bits the value divided by 257 and rounded. A JPEG was decoded at "
        "an eighth, a quarter or half of its size, the smallest at which both sides still have "
        f"{FINER * max(annotate.height, annotate.width):,} pixels or more, and whole where none is.\n"
        "What annotators say in pixels, such as where something is, is in pixels of these. "
        "Where an annotator looks for what may have been too small in them, not to find it is missing, not 0.\n"
        f"{annotate.batch} images ran through the networks together.",
        _table(("format", "images"), _counts(found.formats)),
    ]
    if found.remarks:
        pieces.append(_table(("among them", "images"), _counts(found.remarks)))
    if broken:
        pieces += ["## Broken", _table(("kind", "images"), _counts(found.broken)), f"For example: {found.example}"]
    if left_out:
        rows = [(each["what"], f"{each['n']:,}", each["example"]) for each in left_out]
        pieces += ["## Left out of the set", _table(("what", "how many", "such as"), rows)]
    return "\n\n".join(piece.strip("\n") for piece in pieces) + "\n"


def _columns(annotate: AnnotateImages, found: "Found") -> Iterable[tuple[str, ...]]:
    for (annotator, attribute, threshold), n in zip(annotate.columns, found.scores.tolist(), strict=True):
        yield f"`{annotator}.{attribute}`", "" if threshold != threshold else f"{threshold:g}", f"{n:,}"


def of_annotator(annotator: Annotator) -> str:
    """Return what is said of who scores."""
    said = describes(annotator).strip().partition("\n\n")[0]
    decides = json.dumps(settings(annotator), indent=2, default=str)
    notes = "".join(f"Note: {note}\n\n" for note in getattr(annotator, "notes", ()))
    title = f"**{annotator.name}** (`{spec_of(annotator)}`). {said}"
    return f"{title}\n\n{notes}What decides its scores:\n\n```json\n{decides}\n```"


def _counts(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(name, f"{n:,}") for name, n in sorted(counts.items(), key=lambda each: (-each[1], each[0]))]


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in line)} |" for line in lines
    )
