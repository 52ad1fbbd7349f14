"""Evaluate: how much each edit changes each attribute, by a judge that labelled nothing that the directions were fitted on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.annotators.annotator import Annotator, Scorer
from pipeline.effects import effects
from pipeline.errors import UserError
from pipeline.stage import Stage
from pipeline.stages.annotate import Annotate
from pipeline.stages.edit import Edit
from pipeline.stages.source import decode
from pipeline.store import Store, write_table
from schemas.effects import EFFECTS


@dataclass(frozen=True)
class Evaluate(Stage):
    """Effects in standard deviations of each attribute over the unedited samples, those that `edit` names."""

    edit: Edit
    annotate: Annotate  # whose annotators must not include the judge
    judge: Annotator

    @property
    def inputs(self) -> tuple[Stage, ...]:
        return (*super().inputs, self.edit.sample)

    def check(self) -> None:
        if self.judge in self.annotate.annotators:
            raise UserError(
                f"{self.judge.name!r} annotated the samples that the directions are fitted on, so it cannot judge them.\n"
                "Choose another judge: one network's blind spots would count as success."
            )

    def setup(self) -> Scorer:
        return self.judge.load()

    def process(self, part: int, store: Store, score: Scorer, out: Path) -> None:
        samples = [store.table(self.edit.sample, "samples.parquet", i) for i in range(self.edit.sample.n_parts)]
        size = self.edit.sample.batch
        batches = [table.slice(start, size) for table in samples for start in range(0, len(table), size)]
        std = np.nanstd(np.concatenate([score(decode(batch)) for batch in batches]), axis=0)
        edits = pd.concat([self._scores(store, i, score) for i in range(self.edit.n_parts)], ignore_index=True)
        write_table(out / "scores.parquet", pa.Table.from_pandas(edits, preserve_index=False))
        table = effects(edits, self.judge.attributes, std, self.judge.name)
        write_table(out / "effects.parquet", pa.Table.from_pandas(table, schema=EFFECTS, preserve_index=False))

    def _scores(self, store: Store, part: int, score: Scorer) -> pd.DataFrame:
        """What the judge says of one part of the edits: a row an image, a column an attribute."""
        table = store.table(self.edit, "edits.parquet", part)
        columns = table.select(["direction", "control", "strength", "sample_id"]).to_pandas()
        return columns.join(pd.DataFrame(score(decode(table)), columns=list(self.judge.attributes)))
