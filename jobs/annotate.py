"""Scores of any number of images: `python -m jobs.annotate IMAGES --annotator SPEC`.

A folder with all below it, Parquet, WebDataset tars, or the samples of a run, given by its root. What cannot be read is left out
with its reason, and what is there beside images is counted.
"""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from typer import Argument, Option

from jobs.command_line import main, run_job
from jobs.options import options
from jobs.printing import console
from jobs.results import file_at_hand, folder_at_hand
from jobs.where import Where
from pipeline.annotators.registry import annotator
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.imagesets.broken import by_kind
from pipeline.recipes.annotations import Annotations, annotations
from pipeline.recipes.settings import run_of
from pipeline.stages.labels.annotate_images import SIZE
from pipeline.stages.prevalence_report import PrevalenceReport
from pipeline.stages.publish_annotations import PublishAnnotations

IMAGES = Annotated[
    Path,
    Argument(
        metavar="IMAGES",
        help="A folder, a .parquet or .tar file, or the root of a run, whose samples are meant.",
        show_default=False,
    ),
]
ANNOTATORS = Annotated[
    list[str] | None,
    Option(metavar="NAME", help="Who scores: a name or kind from below, or module:object; may be repeated."),
]
SIZES = Annotated[
    str | None,
    Option(
        metavar="HxW",
        help=f"Height and width in pixels that the middle of each image is brought to; one number is a square. Default: {SIZE}.",
    ),
]


@options("runs/annotate", settings=("batch", "fail_above"), also={"annotator": ANNOTATORS, "size": SIZES}, takes=IMAGES)
def annotate(images: Path, given: dict[str, Any], where: Where) -> None:
    """Score images with annotators, and publish a table with a row an image."""
    with TemporaryDirectory(prefix="listing-") as spool:
        run_job(lambda: wired(images, given, Path(spool)), where, lambda store, goals: hand_over(store, *goals))


def wired(images: Path, given: dict[str, Any], spool: Path) -> Annotations:
    """What is given, as stages; what was found is printed. Raises UserError for what is no annotator or no set of images."""
    run = run_of({name: value for name, value in given.items() if name in ("batch", "fail_above")})
    if not given.get("annotator"):
        raise UserError("Nobody scores these images: name an --annotator, as pixels; it may be repeated.")
    scoring = [annotator(spec) for spec in given["annotator"]]
    size = _size(given["size"]) if "size" in given else None
    found = annotations(images, scoring, spool, size, run.batch, run.fail_above)
    for sentence in found.told:
        console.print(sentence)
    for note in (note for each in scoring for note in getattr(each, "notes", ())):
        console.print(f"Note: {note}")
    return found


def hand_over(store: Store, published: PublishAnnotations, report: PrevalenceReport) -> dict[str, Any]:
    """Print where the annotations and the report are: ROOT/annotations and ROOT/report.html, links to the latest.

    Return that for machines.
    """
    folder, page = folder_at_hand(store, published, "annotations"), file_at_hand(store, report, "report.html")
    kinds = store.table(published, "broken.parquet", columns=["kind"])["kind"].to_pylist()
    n = published.annotate.images.n
    if kinds:
        console.print(
            f"Broken: {len(kinds):,} of {n:,} images ({by_kind(kinds)}), each with its reason in broken.parquet."
        )
    console.print(f"Annotations of {n - len(kinds):,} images: {folder}/images.parquet")
    console.print(f"Report: {page}")
    columns = published.schema.names[2:]
    counts = {"images": n - len(kinds), "broken": len(kinds)}
    return {"annotations": folder, "report": page, **counts, "columns": columns}


def _size(text: str) -> tuple[int, int]:
    if not (found := re.fullmatch(r"(\d+)(?:x(\d+))?", text)):
        raise UserError(f"--size is {text!r}: expected HEIGHTxWIDTH in pixels, as 256x192, or one number for a square.")
    return int(found[1]), int(found[2] or found[1])


if __name__ == "__main__":
    main(annotate)
