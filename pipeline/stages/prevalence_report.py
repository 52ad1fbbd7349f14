"""PrevalenceReport: one HTML page that shows how often attributes are there, and how far those who score agree."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import ClassVar

import numpy as np

from pipeline.annotators.base import Labels
from pipeline.catalog.prevalence.page import page
from pipeline.catalog.prevalence.scored_images import Images, Scored, ScoredImages
from pipeline.engine.stage import Need, Stage, whole
from pipeline.engine.store import Store
from pipeline.formats.spilled import Spilled
from pipeline.imagesets.encoded import Encoded, Fitted
from pipeline.stages import reading
from pipeline.stages.labels.annotate_images import AnnotateImages
from pipeline.stages.publish_annotations import PublishAnnotations


@dataclass(frozen=True)
class PrevalenceReport(Stage):
    """`report.html`, of published annotations and the images that they are of."""

    version: ClassVar[int] = 2  # raised with every change of the markup

    published: PublishAnnotations
    of: str = field(init=False)  # the set, as it is called

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", Path(self.annotate.images.path).name)

    @property
    def annotate(self) -> AnnotateImages:
        return self.published.annotate

    def needs(self, part: int) -> Iterator[Need]:
        return whole(self.published, self.annotate, self.annotate.images)

    def part_bytes(self) -> int:
        return 1_000_000

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        labels = {each.name for each in self.annotate.annotators if isinstance(each, Labels)}
        numbers = self._numbers(store)
        names = [f"{annotator}.{attribute}" for annotator, attribute, _ in self.annotate.columns]
        with TemporaryFile(dir=out) as file:
            scores = Spilled(file, names, len(numbers))
            for part in range(self.annotate.n_parts):
                scores.append(self.annotate.scores(store, part))
            scored = ScoredImages(
                self.of,
                tuple(Scored(*each, labels=each[0] in labels) for each in self.annotate.columns),
                scores,
                reading.table(store, self.published, "broken.parquet").to_pandas(),
            )
            (out / "report.html").write_text(page(scored, self._images(numbers, store)), encoding="utf-8")

    def _images(self, numbers: np.ndarray, store: Store) -> Images:
        """What gives the images of some rows of the scores."""

        def images(rows: Sequence[int]) -> np.ndarray:
            wanted = numbers[rows].tolist()
            found = {number: self._seen(image) for number, image in self.annotate.images.picked(wanted, store)}
            return np.stack([found[number] for number in wanted])

        return images

    def _numbers(self, store: Store) -> np.ndarray:
        """The number in the listing of each image that could be read, (n,)."""
        return np.concatenate([self.annotate.readable(store, part) for part in range(self.annotate.n_parts)])

    def _seen(self, image: Encoded) -> np.ndarray:
        """An image (height, width, 3) as annotators see it; black where it cannot be read any more."""
        found = image.seen(self.annotate.height, self.annotate.width)
        if isinstance(found, Fitted):
            return found.pixels
        return np.zeros((self.annotate.height, self.annotate.width, 3), np.uint8)
