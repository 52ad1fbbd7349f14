"""PublishAnnotations: what was said of a set of images, in one folder that explains itself."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from pipeline.engine.stage import Need, Stage, whole
from pipeline.engine.store import Part, Store
from pipeline.fingerprint import not_hashed
from pipeline.formats.parquet import table_writer
from pipeline.imagesets.broken import check_share
from pipeline.imagesets.image_set import FAIL_ABOVE
from pipeline.stages import reading
from pipeline.stages.annotations_readme import of_annotator, readme
from pipeline.stages.labels.annotate_images import AnnotateImages, long_form
from schemas.annotated_images import annotated_images
from schemas.annotations import ANNOTATIONS
from schemas.broken_images import BROKEN_IMAGES

TOGETHER, SCORES = 65_536, 2**22  # images, and scores of them, that are written at once


@dataclass
class Found:
    """What a set was found to be, counted while its parts are read."""

    read: int = 0  # images that can be read
    broken: Counter[str] = field(default_factory=Counter)  # by kind
    formats: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    scores: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # that are there, by column
    example: str = ""  # what one of the broken has

    def add(self, images: pa.Table) -> None:
        """Count the images of a part."""
        for row in images.to_pylist():
            if row["kind"] is None:
                self.read += 1
                self.formats[row["format"]] += 1
                self.remarks.update(each for each in row["remarks"].split(", ") if each)
            else:
                self.broken[row["kind"]] += 1
                self.example = self.example or f"{row['name']} cannot be read ({row['kind']}: {row['reason']})."


@dataclass(frozen=True)
class PublishAnnotations(Stage):
    """`images.parquet`, a row an image; `annotations.parquet`, the same scores a row each; `broken.parquet`; `README.md`."""

    version: ClassVar[int] = 3

    annotate: AnnotateImages
    fail_above: float = not_hashed(FAIL_ABOVE)  # of the images: where more of them are broken, nothing is published
    said: tuple[str, ...] = field(
        init=False, repr=False
    )  # of who scores, which names files that are hashed nowhere else

    def __post_init__(self) -> None:
        object.__setattr__(self, "said", tuple(map(of_annotator, self.annotate.annotators)))

    @cached_property
    def schema(self) -> pa.Schema:
        """Of `images.parquet`."""
        return annotated_images(self.annotate.columns)

    def needs(self, part: int) -> Iterator[Need]:
        return whole(self.annotate, self.annotate.images)

    def part_bytes(self) -> int:
        return 20_000 + self.annotate.images.n * (40 + 12 * len(self.annotate.columns))

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        found = Found(scores=np.zeros(len(self.annotate.columns), np.int64))
        with ExitStack() as files:
            schemas = {"images": self.schema, "annotations": ANNOTATIONS, "broken": BROKEN_IMAGES}
            writers = {
                name: files.enter_context(table_writer(out / f"{name}.parquet", each)) for name, each in schemas.items()
            }
            for name, table in self._tables(store, found):
                writers[name].write_table(table)
        kinds = list(found.broken.elements())
        if kinds:
            check_share(kinds, self.annotate.images.n, self.fail_above, found.example)
        left_out = reading.table(store, self.annotate.images, "left_out.parquet", 0).to_pylist()
        (out / "README.md").write_text(readme(self.annotate, found, left_out), encoding="utf-8")

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        if file != "images.parquet":
            return None
        n = sum(len(self.annotate.readable(store, each)) for each in range(self.annotate.n_parts))
        return reading.unlike(read, id=range(n))

    def _tables(self, store: Store, found: Found) -> Iterator[tuple[str, pa.Table]]:
        """Pieces of the three tables, some parts at a time."""
        annotate = self.annotate
        together = min(TOGETHER, SCORES // len(annotate.columns))
        several = max(1, together // annotate.part_size)
        for start in range(0, annotate.n_parts, several):
            parts = range(start, min(annotate.n_parts, start + several))
            images = pa.concat_tables([reading.table(store, annotate, "images.parquet", each) for each in parts])
            said = {"columns": ["sample_id", "score"]}
            scores = pa.concat_tables(
                [reading.table(store, annotate, "annotations.parquet", each, **said) for each in parts]
            )
            first = found.read
            found.add(images)
            broken = images.filter(images["kind"].is_valid()).select(["name", "kind", "reason"]).cast(BROKEN_IMAGES)
            good = images.filter(images["kind"].is_null())
            ids = np.arange(first, first + len(good))
            yield "broken", broken
            yield from self._of_good(good["name"], ids, scores["score"], found)

    def _of_good(
        self, names: pa.ChunkedArray, ids: np.ndarray, scores: pa.ChunkedArray, found: Found
    ) -> Iterator[tuple[str, pa.Table]]:
        """Pieces of the tables of images that can be read."""
        columns = self.annotate.columns
        values = scores.to_numpy().reshape(len(ids), len(columns))
        found.scores += (~np.isnan(values)).sum(axis=0)
        wide: list[Any] = [names.combine_chunks(), ids, *(pa.array(column, from_pandas=True) for column in values.T)]
        yield "images", pa.table(wide, schema=self.schema)
        yield from (("annotations", table) for table in long_form(ids, columns, values))
