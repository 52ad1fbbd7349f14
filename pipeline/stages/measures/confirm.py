"""Confirm: what the directions that are ranked first do to samples that had no part in their ranks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from pipeline.engine.stage import Need, Stage, whole
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.formats.parquet import write_table
from pipeline.metrics.effects import effects
from pipeline.metrics.response import Response
from pipeline.stages import reading
from pipeline.stages.measures.edit_ranked import EditRanked
from pipeline.stages.measures.evaluate import Evaluate, preservation, standard_deviations, unit_errors
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.score_edits import ScoreEdits, readings
from schemas.columns import table_of_frame
from schemas.confirmed import CONFIRMED, OF_EDIT


@dataclass(frozen=True)
class Confirm(Stage):
    """`confirmed.parquet`: effects, and whether images still look like the model's own, in the order of ranks.

    Units, judges and random directions are those of the evaluation that each direction was ranked by.
    """

    version: ClassVar[int] = 2

    scored: ScoreEdits  # edits of EditRanked

    @property
    def edit(self) -> EditRanked:
        assert isinstance(self.scored.edit, EditRanked)
        return self.scored.edit

    @property
    def profiles(self) -> Profiles:
        """Those that ranked."""
        assert self.edit.profiles
        return self.edit.profiles

    @property
    def evaluations(self) -> list[Evaluate]:
        """Those that directions of these finders were measured by."""
        finders = set(self.edit.finders)
        return [each for each in self.profiles.evaluations if finders & set(each.edit.finders)]

    def needs(self, part: int) -> Iterator[Need]:
        behind = (stage for each in self.evaluations for stage, _ in each.needs(0))
        return whole(*dict.fromkeys((*self.inputs, self.profiles, *self.evaluations, *behind)))

    def check(self) -> None:
        if not isinstance(self.scored.edit, EditRanked) or self.scored.edit.profiles is None:
            raise UserError("What is ranked first is measured once more: give edits of EditRanked.")
        if other := [each for each in self.evaluations if each.judges != self.scored.judges]:
            raise UserError(
                f"These edits are scored by {', '.join(judge.name for judge in self.scored.judges)}, and ranks are by "
                f"{', '.join(judge.name for judge in other[0].judges)}: have the same ones score both."
            )

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        scores = reading.table(store, self.scored, "scores.parquet").to_pandas()
        changes = reading.table(store, self.scored, "changes.parquet").to_pandas()
        ranks = {row["direction"]: row["rank"] for row in self.edit.ranked(store)}
        table = pd.concat([self._effects(each, scores, ranks, store) for each in self.evaluations])
        preserved = preservation(changes)[["direction", "strength_index", *OF_EDIT]]
        table = table.merge(preserved, on=["direction", "strength_index"], how="left", validate="many_to_one")
        table = table.assign(rank=table["direction"].map(ranks))
        table = table.sort_values(["rank", "strength_index"], kind="stable", ignore_index=True)
        write_table(out / "confirmed.parquet", table_of_frame(table[CONFIRMED.names], CONFIRMED))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        found = [
            (row["direction"], index, *read_off)
            for row in self.edit.ranked(store)
            for index in range(len(self.edit.strengths))
            for read_off in readings(self.scored.judges)
        ]
        return reading.unlike_in_any_order(
            read, **reading.columns(found, "direction", "strength_index", "judge", "attribute")
        )

    def responses(self, store: Store) -> dict[str, tuple[Response, dict[str, int]]]:
        """Return what each direction does to these samples, by the first judge, and how many have a score, by attribute."""
        table = reading.table(store, self, "confirmed.parquet").to_pandas()
        table = table[table["judge"] == self.scored.judges[0].name]
        return {
            str(name): (
                Response.of(own, own.drop_duplicates("strength_index")),
                own[own["strength_index"] == 0].set_index("attribute")["n"].astype(int).to_dict(),
            )
            for name, own in table.groupby("direction", sort=False)
        }

    def _effects(self, evaluate: Evaluate, scores: pd.DataFrame, ranks: dict[str, int], store: Store) -> pd.DataFrame:
        """Effects of an evaluation's directions, of those that are measured once more."""
        own = [name for name in evaluate.edit.names if name in ranks]
        units = (of(evaluate.unedited, evaluate.judges, store) for of in (standard_deviations, unit_errors))
        table = effects(scores[scores["direction"].isin([*own, "unedited"])], *units)
        measured = reading.table(store, evaluate, "effects.parquet").to_pandas()
        return evaluate.compared(table, measured[measured["control"]], store) if own else table
