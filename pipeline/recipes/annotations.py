"""From a set of images and annotators to published annotations: listed once, scored part by part, put together, and shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.annotators.base import Annotator, Labels, check_known
from pipeline.engine.store import Store
from pipeline.stages.labels.annotate_images import SIZE, AnnotateImages
from pipeline.stages.prevalence_report import PrevalenceReport
from pipeline.stages.publish_annotations import PublishAnnotations
from pipeline.stages.sources.list_images import ListImages, listed


@dataclass(frozen=True)
class Annotations:
    """The annotations of a set, which depend on nothing that is made first."""

    goals: tuple[PublishAnnotations, PrevalenceReport]
    told: tuple[str, ...] = ()  # what the set was found to be, in sentences
    first: tuple[()] = ()

    def fitted(self, store: Store) -> "Annotations":
        return self

    def foreseen(self, store: Store) -> tuple[str, ...]:
        return ()


def annotations(
    path: Path,
    annotators: Sequence[Annotator],
    spool: Path,
    size: tuple[int, int] | None,
    batch: int,
    fail_above: float,
) -> Annotations:
    """Wire the annotations of a folder, a file that holds many images, or a store's samples.

    spool: an empty folder that the listing is written to, which must be there until the annotations are made. size: height and
    width in pixels that images are brought to, and batch: how many run through the networks together, where others are wanted than
    usual. Raises UserError for what is no set of images, and for labels by name that are of none of them, or of several alike.
    """
    images, told = listed(path, spool, fail_above)
    _check_known(annotators, images)
    annotate = AnnotateImages(images, tuple(annotators), *(size or (SIZE, SIZE)), batch, fail_above)
    published = PublishAnnotations(annotate, fail_above)
    return Annotations((published, PrevalenceReport(published)), tuple(told))


def _check_known(annotators: Sequence[Annotator], images: ListImages) -> None:
    """Raise UserError where labels by name say that they are not of these images."""
    by_name = [each for each in annotators if isinstance(each, Labels) and getattr(each, "by", "file") == "file"]
    names = list(images.names()) if by_name else []
    for each in by_name:
        check_known(each, range(images.n), names)
