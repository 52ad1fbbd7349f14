"""BestStrengths: the strength that each supervised direction is shown at, chosen on samples that its figures are not of."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.engine.stage import Need, Stage, whole
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.formats.parquet import write_table
from pipeline.metrics.best import Range, chosen, farthest
from pipeline.stages import reading
from pipeline.stages.finders.finder import names_of, read_rows
from pipeline.stages.measures.edit_selection import EditSelection
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.profiles import Profiles
from schemas.best import BEST
from schemas.columns import table_of


@dataclass(frozen=True)
class BestStrengths(Stage):
    """`best.parquet`: a row a supervised direction that was measured on an attribute of its own, by the first judge.

    Those that were measured on selection samples are chosen by their effects there, all others by none. Nothing chooses again.
    """

    profiles: Profiles  # of the directions, with their valid ranges, and the evaluations that they are reported by
    selections: tuple[Evaluate, ...]  # the same edits as some of those evaluations, of EditSelection

    def needs(self, part: int) -> Iterator[Need]:
        finders = [finder for each in self.profiles.evaluations for finder in each.edit.finders]
        return whole(*dict.fromkeys((*self.inputs, *self.profiles.evaluations, *finders)))

    def check(self) -> None:
        for each in self.selections:
            if not isinstance(each.edit, EditSelection):
                raise UserError("Strengths are chosen on selection samples: give evaluations of EditSelection.")
            if self.reported_by(each) is None:
                raise UserError(
                    "Strengths are chosen among those that are reported: give an evaluation of the same directions at these."
                )

    def reported_by(self, selection: Evaluate) -> Evaluate | None:
        """The evaluation that reports the same edits on held-out samples."""
        return next((each for each in self.profiles.evaluations if _edits(each) == _edits(selection)), None)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        profiles = reading.table(store, self.profiles, "profiles.parquet").to_pylist()
        valid = {row["direction"]: (row["valid_low"], row["valid_high"]) for row in profiles}
        rows = [row for each in self.profiles.evaluations for row in self._of(each, valid, store)]
        write_table(out / "best.parquet", table_of(rows, BEST))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        return reading.unlike(
            read, direction=[name for each in self.profiles.evaluations for name in self._targets(each, store)]
        )

    def _of(self, evaluate: Evaluate, valid: dict[str, Range], store: Store) -> list[dict[str, Any]]:
        """The rows of an evaluation's directions."""
        table, targets = _by_first_judge(evaluate, store), self._targets(evaluate, store)
        selection = next((each for each in self.selections if self.reported_by(each) is evaluate), None)
        if selection is None:
            return list(farthest(table, targets, valid))
        return chosen(_by_first_judge(selection, store), targets, valid)

    def _targets(self, evaluate: Evaluate, store: Store) -> dict[str, str]:
        """The attributes of an evaluation's directions that are published and meant to change what its first judge scores."""
        published = {name for finder in self.profiles.finders for name in names_of(finder)}
        return {
            row["name"]: row["attribute"]
            for row in read_rows(store, evaluate.edit.finders)
            if row["attribute"] in evaluate.judge.attributes and row["name"] in published
        }


def _edits(evaluate: Evaluate) -> tuple[Any, ...]:
    """What is edited how far; the samples and the judges apart."""
    edit = evaluate.edit
    return edit.sample, edit.names, edit.strengths, edit.full, evaluate.judge


def _by_first_judge(evaluate: Evaluate, store: Store) -> pd.DataFrame:
    """Its effects by its first judge, without random directions."""
    table = reading.table(store, evaluate, "effects.parquet").to_pandas()
    return table[(table["judge"] == evaluate.judge.name) & ~table["control"]]
