"""PrevalenceReport: one HTML page that shows what a set of images holds. It opens from disk and asks for nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from pipeline.annotators.base import Labels
from pipeline.catalog.prevalence.page import write
from pipeline.catalog.prevalence.read import scored_images
from pipeline.engine.stage import Need, Stage, one, whole
from pipeline.engine.store import Store
from pipeline.imagesets.encoded import Fitted
from pipeline.stages.publish_annotations import PublishAnnotations


@dataclass(frozen=True)
class PrevalenceReport(Stage):
    """`prevalence.html`: how often attributes are there, with examples, and how far those who score agree."""

    version: ClassVar[int] = 1  # raised with every change of the markup

    annotations: PublishAnnotations

    def needs(self, part: int) -> Iterator[Need]:
        yield one(self.annotations)
        yield from whole(self.annotations.annotate, self.annotations.annotate.images)

    def part_bytes(self) -> int:
        return 100_000 * (1 + len(self.annotations.annotate.columns))

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        annotate = self.annotations.annotate
        tables = [
            store.table(annotate, "images.parquet", i, columns=["number", "kind"]) for i in range(annotate.n_parts)
        ]
        every = pa.concat_tables(tables)
        numbers = every.filter(every["kind"].is_null())["number"].to_numpy()

        def images(rows: Sequence[int]) -> np.ndarray:
            return np.stack([self._image(int(numbers[row]), store) for row in rows])

        labels = {each.name for each in annotate.annotators if isinstance(each, Labels)}
        of = Path(annotate.images.path).name
        write(scored_images(store.folder(self.annotations, 0), annotate.columns, of, labels), images, out)

    def _image(self, number: int, store: Store) -> np.ndarray:
        """An image as annotators saw it; grey where it can no longer be read."""
        annotate = self.annotations.annotate
        [encoded] = annotate.images.encoded(range(number, number + 1), store)
        seen = encoded.seen(annotate.height, annotate.width)
        return seen.pixels if isinstance(seen, Fitted) else np.full((annotate.height, annotate.width, 3), 128, np.uint8)
