"""Locality: how much of what edits change lies inside regions of the images."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.errors import UserError
from pipeline.masks import Mask, Masker
from pipeline.preservation import inside_and_outside
from pipeline.stage import Stage
from pipeline.stages.edit import Edit
from pipeline.stages.source import decode
from pipeline.store import Store, write_table
from schemas.locality import LOCALITY


@dataclass(frozen=True)
class Locality(Stage):
    """`locality.parquet`: squared change inside each region and outside, per area. Regions are those of the unedited images."""

    edit: Edit
    masks: tuple[Mask, ...]

    def check(self) -> None:
        if not self.masks:
            raise UserError("Locality needs at least one mask.")
        for mask in self.masks:
            mask.check(*self.edit.sample.model.image_shape[1:])

    def setup(self) -> list[Masker]:
        return [mask.load() for mask in self.masks]

    def process(self, part: int, store: Store, maskers: list[Masker], out: Path) -> None:
        twins = decode(store.table(self.edit, "edits.parquet", 0))
        regions = {mask.name: masker(twins) for mask, masker in zip(self.masks, maskers, strict=True)}
        rows = [row for i in range(1, self.edit.n_parts) for row in self._rows(store, i, twins, regions)]
        write_table(out / "locality.parquet", pa.Table.from_pylist(rows, schema=LOCALITY))

    def _rows(self, store: Store, part: int, twins: np.ndarray, regions: dict[str, np.ndarray]) -> Iterator[dict]:
        """One direction, at each strength, in each region. Its edits lie in the order of their unedited twins."""
        table = store.table(self.edit, "edits.parquet", part)
        for start in range(0, len(table), len(twins)):
            edits = table.slice(start, len(twins))
            direction, strength = edits["direction"][0].as_py(), edits["strength"][0].as_py()
            for region, masks in regions.items():
                inside, outside = inside_and_outside(twins, decode(edits), masks)
                n = int((~np.isnan(masks).any(axis=(1, 2))).sum())
                found = {"inside": inside, "outside": outside, "ratio": inside / outside} if n else {}
                yield {"direction": direction, "strength": strength, "region": region, "n": n, **found}
