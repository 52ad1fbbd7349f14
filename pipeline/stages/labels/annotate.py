"""Annotate: score the images of each part of samples with one or more annotators."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.annotators.base import Annotator, Labels, Lookup, Scorer, check_size, gpus_of
from pipeline.annotators.border import lookup, scorer
from pipeline.batches import batches
from pipeline.engine.stage import Resources
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.formats.parquet import write_table
from pipeline.stages import reading
from pipeline.stages.labels.by_part import ByPart
from pipeline.stages.sources.source import Source, number
from schemas.annotations import ANNOTATIONS


@dataclass(frozen=True)
class Annotate(ByPart):
    """Scores by (sample, annotator, attribute). Part i reads part i of the samples, as soon as it is there."""

    version: ClassVar[int] = 2

    annotators: tuple[Annotator, ...]

    def part_bytes(self) -> int:
        return 4_000 + 10 * len(self.sample.sample_ids(0)) * sum(
            len(annotator.attributes) for annotator in self.annotators
        )

    @property
    def resources(self) -> Resources:
        return Resources(gpus_of(*self.annotators))

    @property
    def source(self) -> Source:
        """Where h of the samples is."""
        return self.sample

    @property
    def seeing(self) -> tuple[Annotator, ...]:
        """Those that look at images; the others know them by name or number."""
        return tuple(each for each in self.annotators if not isinstance(each, Labels))

    def check(self) -> None:
        check_size(*self.sample.model.image_shape[1:], *self.seeing)

    def setup(self) -> tuple[list[Scorer], list[Lookup]]:
        knowing = [lookup(each) for each in self.annotators if isinstance(each, Labels)]
        return [scorer(annotator) for annotator in self.seeing], knowing

    def process(self, part: int, store: Store, loaded: tuple[list[Scorer], list[Lookup]], out: Path) -> None:
        scorers, lookups = loaded
        tables = [
            annotations_table(ids, annotator, score(images)[: len(ids)])
            for ids, images in (self.batches(store, part) if scorers else ())
            for annotator, score in zip(self.seeing, scorers, strict=True)
        ]
        if lookups:
            ids, names = self.named(store, part)
            knowing = (each for each in self.annotators if isinstance(each, Labels))
            tables += [
                annotations_table(np.array(ids), each, of(ids, names))
                for each, of in zip(knowing, lookups, strict=True)
            ]
        write_table(out / "annotations.parquet", pa.concat_tables(tables))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        ids = np.array(self.sample.sample_ids(number(part)))
        knowing = [each for each in self.annotators if isinstance(each, Labels)]
        looked = [(ids[some], each) for some in batches(len(ids), self.sample.batch) for each in self.seeing]
        told = [*looked, *((ids, each) for each in knowing)]
        return reading.unlike(
            read,
            sample_id=np.concatenate([np.repeat(some, len(each.attributes)) for some, each in told]),
            annotator=[each.name for some, each in told for _ in range(len(some) * len(each.attributes))],
            attribute=[name for some, each in told for _ in some for name in each.attributes],
        )

    def scores(self, store: Store, annotator: str, parts: Iterable[int] | None = None) -> pd.DataFrame:
        """One annotator's scores, of all parts or some: a row a sample_id, a column an attribute, NaN where missing."""
        wanted = range(self.n_parts) if parts is None else parts
        tables = (reading.table(store, self, "annotations.parquet", part) for part in wanted)
        table = pa.concat_tables([each.filter(pc.field("annotator") == annotator) for each in tables])
        return table.to_pandas().pivot(index="sample_id", columns="attribute", values="score")


def annotations_table(ids: np.ndarray, annotator: Annotator, scores: np.ndarray) -> pa.Table:
    """Scores (B, attributes) in the long form; NaN becomes null."""
    names = np.tile(annotator.attributes, len(ids))
    column = pa.array(scores.ravel().astype(np.float32), from_pandas=True)
    return pa.table(
        [np.repeat(ids, len(annotator.attributes)), [annotator.name] * len(names), names, column], schema=ANNOTATIONS
    )


def annotator_of(annotators: tuple[Annotator, ...], name: str, attributes: tuple[str, ...] = ()) -> Annotator:
    """The annotator of this name. Raises UserError unless it is there and scores all these attributes."""
    by_name = {each.name: each for each in annotators}
    if name not in by_name:
        raise UserError(f"There is no annotator {name!r} in this run; there are {', '.join(by_name)}.")
    offered = by_name[name].attributes
    if unknown := [attribute for attribute in attributes if attribute not in offered]:
        raise UserError(
            f"The annotator {name!r} does not score {', '.join(map(repr, unknown))}.\nIt scores {', '.join(offered)}."
        )
    return by_name[name]
