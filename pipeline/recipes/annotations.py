"""From a set of images and annotators to published annotations: listed once, scored part by part, put together, and shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.annotators.base import Annotator
from pipeline.engine.store import Store
from pipeline.stages.labels.annotate_images import SIZE, AnnotateImages
from pipeline.stages.prevalence_report import PrevalenceReport
from pipeline.stages.publish_annotations import PublishAnnotations
from pipeline.stages.sources.list_images import listed


@dataclass(frozen=True)
class Annotations:
    """The annotations of a set, which depend on nothing that is made first."""

    goals: tuple[PublishAnnotations, PrevalenceReport]
    told: tuple[str, ...] = ()  # what the set was found to be, in sentences
    first: tuple[()] = ()

    def fitted(self, store: Store) -> "Annotations":
        return self


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
    usual. Raises UserError for what is no set of images.
    """
    images, told = listed(path, spool, fail_above)
    annotate = AnnotateImages(images, tuple(annotators), *(size or (SIZE, SIZE)), batch, fail_above)
    published = PublishAnnotations(annotate, fail_above)
    return Annotations((published, PrevalenceReport(published)), tuple(told))
