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
from pipeline.stages.source import Source, decode
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
        std = standard_deviations(self.edit.sample, store, score)
        edits = scores(self.edit, self.judge, store, score)
        write_table(out / "scores.parquet", pa.Table.from_pandas(edits, preserve_index=False))
        table = effects(edits, self.judge.attributes, std, self.judge.name)
        write_table(out / "effects.parquet", pa.Table.from_pandas(table, schema=EFFECTS, preserve_index=False))


def standard_deviations(sample: Source, store: Store, score: Scorer) -> np.ndarray:
    """Of each attribute over the unedited samples: the unit of effects."""
    samples = [store.table(sample, "samples.parquet", i) for i in range(sample.n_parts)]
    batches = [table.slice(start, sample.batch) for table in samples for start in range(0, len(table), sample.batch)]
    return np.nanstd(np.concatenate([score(decode(batch)) for batch in batches]), axis=0)


def scores(edit: Edit, judge: Annotator, store: Store, score: Scorer) -> pd.DataFrame:
    """What the judge says of all edits: a row an image, a column an attribute."""
    parts = []
    for part in range(edit.n_parts):
        table = store.table(edit, "edits.parquet", part)
        columns = table.select(["direction", "control", "strength", "sample_id"]).to_pandas()
        parts.append(columns.join(pd.DataFrame(score(decode(table)), columns=list(judge.attributes))))
    return pd.concat(parts, ignore_index=True)
