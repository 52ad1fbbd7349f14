"""Locality: how much of what edits change lies inside regions of the images."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.annotators.base import gpus_of
from pipeline.annotators.border import masker
from pipeline.annotators.names import check_distinct
from pipeline.annotators.regions import Mask, Masker
from pipeline.engine.stage import Resources, Stage
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.formats.images import decode
from pipeline.formats.parquet import write_table
from pipeline.metrics.preservation import inside_and_outside
from pipeline.stages import reading
from pipeline.stages.measures.edit import Edit
from schemas.columns import table_of
from schemas.locality import LOCALITY

OF_EDIT = ("direction", "strength_index", "strength")


@dataclass(frozen=True)
class Locality(Stage):
    """`locality.parquet`: squared change inside each region and outside, per area. Regions are those of the unedited images."""

    edit: Edit
    masks: tuple[Mask, ...]

    @property
    def resources(self) -> Resources:
        return Resources(gpus_of(*self.masks))

    def check(self) -> None:
        if not self.masks:
            raise UserError("Locality needs at least one mask.")
        check_distinct(*self.masks)
        for mask in self.masks:
            mask.check(*self.edit.sample.model.image_shape[1:])

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        edits = product(self.edit.names, range(len(self.edit.strengths)), (mask.name for mask in self.masks))
        return reading.unlike(read, **reading.columns(edits, "direction", "strength_index", "region"))

    def setup(self) -> list[Masker]:
        return [masker(mask) for mask in self.masks]

    def process(self, part: int, store: Store, maskers: list[Masker], out: Path) -> None:
        counterparts = decode(self.edit.unedited(store))
        regions = {mask.name: find(counterparts) for mask, find in zip(self.masks, maskers, strict=True)}
        rows = [
            {**{name: table[name][0].as_py() for name in OF_EDIT}, **row}
            for table in self.edit.edited(store)
            for row in _rows(counterparts, decode(table), regions)
        ]
        write_table(out / "locality.parquet", table_of(rows, LOCALITY))


def _rows(counterparts: np.ndarray, edits: np.ndarray, regions: dict[str, np.ndarray]) -> Iterator[dict]:
    """One direction at one strength, in each region."""
    for region, masks in regions.items():
        inside, outside = inside_and_outside(counterparts, edits, masks)
        n = int((~np.isnan(masks).any(axis=(1, 2))).sum())
        ratio = {"ratio": inside / outside} if n and outside > 0 else {}
        yield {"region": region, "n": n, **({"inside": inside, "outside": outside} if n else {}), **ratio}
