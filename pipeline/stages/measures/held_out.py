"""HeldOut: the held-out samples before any edit, drawn once for all edits that are measured beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.stages.measures.edit import Edit, Row


@dataclass(frozen=True)
class HeldOut(Edit):
    """`edits.parquet` of no direction: the unedited samples alone."""

    finders: tuple[Stage, ...] = ()
    strengths: tuple[float, ...] = (1.0,)
    n: int = 28

    def covers(self, edit: Edit) -> bool:
        """Whether the samples of an edit are among these."""
        return edit.sample == self.sample and edit.n <= self.n and edit.seeds <= self.seeds

    def of(self, rows: Sequence[Row], store: Store) -> pa.Table:
        """Return the rows of `edits.parquet` of these unedited samples, in their order."""
        table = self.unedited(store)
        return table.take(pd.Index(table["sample_id"].to_numpy()).get_indexer([row.sample_id for row in rows]))
