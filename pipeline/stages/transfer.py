"""Transfer: whether what a direction does to the sample it was found on, it does to others."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.annotators.annotator import Scorer
from pipeline.effects import transfer
from pipeline.stage import Stage
from pipeline.stages.edit import EditOrigins
from pipeline.stages.evaluate import Evaluate, scores, standard_deviations
from pipeline.store import Store, write_table
from schemas.transfer import TRANSFER


@dataclass(frozen=True)
class Transfer(Stage):
    """`transfer.parquet`: the edits of `origins` beside those of held-out samples, by the judge of these."""

    origins: EditOrigins
    evaluate: Evaluate  # of the same directions at the same strengths, among others

    @property
    def inputs(self) -> tuple[Stage, ...]:
        return (*super().inputs, self.evaluate.edit.sample)

    def setup(self) -> Scorer:
        return self.evaluate.judge.load()

    def process(self, part: int, store: Store, score: Scorer, out: Path) -> None:
        judge = self.evaluate.judge
        std = standard_deviations(self.evaluate.edit.sample, store, score)
        own = scores(self.origins, judge, store, score)
        others = store.table(self.evaluate, "scores.parquet").to_pandas()
        table = transfer(own, others, judge.attributes, std).assign(judge=judge.name)
        write_table(out / "transfer.parquet", pa.Table.from_pandas(table, schema=TRANSFER, preserve_index=False))
