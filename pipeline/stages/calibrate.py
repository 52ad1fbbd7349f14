"""Calibrate: follow each direction as far as its target should rise by one standard deviation, and correct the unit by that."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline.calibration import guess, unit_strength
from pipeline.effects import effects
from pipeline.errors import UserError
from pipeline.stage import Stage
from pipeline.stages.edit import Edit
from pipeline.stages.edit import Row as Edited
from pipeline.stages.evaluate import Evaluate, standard_deviations
from pipeline.stages.finder import Row
from pipeline.stages.random_directions import RandomDirections
from pipeline.stages.score_edits import ScoreEdits
from pipeline.store import Store, write_table
from schemas.profiles import PROFILES


@dataclass(frozen=True)
class EditAtUnit(Edit):
    """Edits of a strength of its own for each direction: about where its target has risen by one standard deviation."""

    strengths: tuple[float, ...] = (1.0,)  # in units
    n: int = 8
    evaluate: Evaluate | None = None  # that measured these directions

    def needs(self, part: int) -> Iterator[tuple[Stage, int]]:
        yield from super().needs(part)
        if part not in self.unedited_parts and self.evaluate:
            yield self.evaluate, 0

    def check(self) -> None:
        if self.evaluate is None or not set(self.names) <= set(self.evaluate.edit.names):
            raise UserError("A unit is known of directions that were measured: give the evaluation of these.")
        super().check()

    def _rows(self, part: int, store: Store) -> list[Edited]:
        rows = super()._rows(part, store)
        if part in self.unedited_parts or self.evaluate is None:
            return rows
        profiles = store.table(self.evaluate, "profiles.parquet").to_pylist()
        unit = {row["direction"]: guess(row["unit"], self.evaluate.edit.strengths) for row in profiles}
        return [row._replace(strength=row.strength * unit[row.name]) for row in rows]


@dataclass(frozen=True)
class Calibrate(Stage):
    """`profiles.parquet` of an evaluation, with units that were tried on images and corrected."""

    evaluate: Evaluate
    tried: ScoreEdits  # of EditAtUnit

    @property
    def inputs(self) -> tuple[Stage, ...]:
        return (*super().inputs, self.evaluate.unedited)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        judge = self.evaluate.judge
        std = standard_deviations(self.evaluate.unedited, (judge,), store)
        scores = store.table(self.tried, "scores.parquet").to_pandas()
        measured = store.table(self.evaluate, "effects.parquet").to_pandas()
        both = pd.concat([measured, effects(scores, std)])
        points = both[both["judge"] == judge.name].groupby(["direction", "attribute"])
        rows = store.table(self.evaluate, "profiles.parquet").to_pylist()
        table = pa.Table.from_pylist([_corrected(row, points) for row in rows], schema=PROFILES)
        write_table(out / "profiles.parquet", table)


def calibrate(evaluate: Evaluate, n: int = 8) -> Calibrate:
    """The calibration of all directions of an evaluation but the random ones."""
    edit = evaluate.edit
    finders = tuple(finder for finder in edit.finders if not isinstance(finder, RandomDirections))
    at_unit = EditAtUnit(edit.sample, finders, n=min(n, edit.n), evaluate=evaluate)
    return Calibrate(evaluate, ScoreEdits(at_unit, (evaluate.judge,)))


def _corrected(row: Row, points: pd.api.typing.DataFrameGroupBy) -> Row:
    """With the unit by all strengths at which the target was measured."""
    if row["target"] is None or row["unit"] is None:
        return row
    own = points.get_group((row["direction"], row["target"]))
    sense = 1 if row["unit"] > 0 else -1
    unit = unit_strength(own["strength"].to_numpy(float), own["effect"].to_numpy(float), sense)
    return {**row, "unit": unit if unit == unit else None}
