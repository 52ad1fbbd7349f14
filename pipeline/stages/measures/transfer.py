"""Transfer: whether what a direction does to the sample it was found on, it does to others."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pipeline.engine.stage import Need, Stage, whole
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.formats.parquet import write_table
from pipeline.metrics.effects import transfer
from pipeline.stages import reading
from pipeline.stages.measures.edit_origins import EditOrigins
from pipeline.stages.measures.evaluate import WHICH, Evaluate, standard_deviations
from pipeline.stages.measures.score_edits import ScoreEdits, readings
from schemas.columns import table_of_frame
from schemas.transfer import TRANSFER


@dataclass(frozen=True)
class Transfer(Stage):
    """`transfer.parquet`: edits of the samples that directions were found on, beside those of held-out samples."""

    origins: ScoreEdits  # of EditOrigins
    evaluate: Evaluate  # of the same directions at the same strengths, among others

    def needs(self, part: int) -> Iterator[Need]:
        return whole(self.origins, *self.edit.says_ids, self.evaluate.scored, self.evaluate.unedited)

    @property
    def edit(self) -> EditOrigins:
        assert isinstance(self.origins.edit, EditOrigins)
        return self.origins.edit

    def check(self) -> None:
        if (self.edit.strengths, self.edit.full) != (self.evaluate.edit.strengths, self.evaluate.edit.full):
            raise UserError(
                f"Samples of their own are edited at strengths {self.edit.strengths}, and held-out ones at "
                f"{self.evaluate.edit.strengths}: expected the same, of full strengths that were found alike."
            )

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        edits = product(self.edit.names, range(len(self.edit.strengths)))
        of_each = (edit + read_off for edit, read_off in product(edits, readings(self.origins.judges)))
        return reading.unlike_in_any_order(read, **reading.columns(of_each, *WHICH))

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        std = standard_deviations(self.evaluate.unedited, self.evaluate.judges, store)
        own = reading.table(store, self.origins, "scores.parquet").to_pandas()
        others = reading.table(store, self.evaluate.scored, "scores.parquet").to_pandas()
        table = transfer(own, others, std)
        write_table(out / "transfer.parquet", table_of_frame(table, TRANSFER))
