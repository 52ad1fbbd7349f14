"""Calibrate: try each direction at the strength that should move its target by one standard deviation, and correct it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from pipeline.engine.stage import Need, Stage, one
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.formats.parquet import write_table
from pipeline.metrics.calibration import StrengthPerSD, guess, strength_per_sd
from pipeline.metrics.effects import effects
from pipeline.metrics.profiles import describe
from pipeline.stages.finders.finder import Row
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.edit import Row as Edited
from pipeline.stages.measures.evaluate import Evaluate, preservation, standard_deviations
from pipeline.stages.measures.score_edits import ScoreEdits
from schemas.columns import table_of
from schemas.profiles import PROFILES

BEYOND = (
    1.25  # times the farthest strength that was verified, up to which a strength per standard deviation is believed
)
UNLIKE = 2.0  # times more, or less, that the few samples of a trial may be moved than all samples


@dataclass(frozen=True)
class EditCalibrated(Edit):
    """Edits of a strength of its own for each direction: about where its target has risen by one standard deviation."""

    strengths: tuple[float, ...] = (1.0,)  # in strengths per standard deviation
    n: int = 14
    evaluate: Evaluate | None = None  # that measured these directions

    def needs(self, part: int) -> Iterator[Need]:
        yield from super().needs(part)
        if part not in self.unedited_parts and self.evaluate:
            yield one(self.evaluate)

    def check(self) -> None:
        if self.evaluate is None or not set(self.names) <= set(self.evaluate.edit.names):
            raise UserError(
                "A strength per standard deviation is known of directions that were measured: give the evaluation of these."
            )
        super().check()

    def _rows(self, part: int, store: Store) -> list[Edited]:
        rows = super()._rows(part, store)
        if part in self.unedited_parts or self.evaluate is None:
            return rows
        profiles = store.table(self.evaluate, "profiles.parquet").to_pylist()
        at = {row["direction"]: guess(_measured_at(row), self.evaluate.edit.strengths) for row in profiles}
        return [row._replace(strength=row.strength * at[row.name]) for row in rows]


@dataclass(frozen=True)
class Calibrate(Stage):
    """`profiles.parquet` of an evaluation, its strengths per standard deviation verified on images, and corrected by them.

    Those strengths count for the valid range as any other, and for what is said of a direction.
    """

    version: ClassVar[int] = 4

    evaluate: Evaluate
    verified: ScoreEdits  # of EditCalibrated

    @property
    def inputs(self) -> tuple[Stage, ...]:
        return tuple(dict.fromkeys((*super().inputs, *self.evaluate.inputs)))

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        evaluate, judge = self.evaluate, self.evaluate.judge
        std = standard_deviations(evaluate.unedited, (judge,), store)
        verified, scores, measured = (
            store.table(stage, name).to_pandas()
            for stage, name in (
                (self.verified, "scores.parquet"),
                (evaluate, "scores.parquet"),
                (evaluate, "effects.parquet"),
            )
        )
        changes = store.table(self.verified, "changes.parquet").to_pandas()
        preserved = [store.table(evaluate, "preservation.parquet").to_pandas(), preservation(changes, verified)]
        verified, scores, measured = (table[table["judge"] == judge.name] for table in (verified, scores, measured))
        # What the same few samples did at the strengths that more were measured at, to tell them from the others.
        few = effects(scores[scores["sample_id"].isin(set(verified["sample_id"]))], std)
        fewer = self.verified.edit.samples_each < evaluate.edit.samples_each
        calibrated = effects(verified, std)
        curves = Curves(effects(scores, std), few if fewer else None, calibrated)
        calibrated = evaluate.compared(calibrated, measured[measured["control"]], store)
        seen = Seen(pd.concat([measured, calibrated]), pd.concat(preserved), preserved[1])
        rows = store.table(evaluate, "profiles.parquet").to_pylist()
        corrected = [_corrected(seen.described(row), curves, seen.fine(row)) for row in rows]
        write_table(out / "profiles.parquet", table_of(corrected, PROFILES))


@dataclass(frozen=True)
class Seen:
    """Effects and preservation of all directions, by the evaluation and by the trial; and the trial's alone."""

    effects: pd.DataFrame
    preserved: pd.DataFrame
    verified: pd.DataFrame

    def described(self, row: Row) -> Row:
        """What is to be said of a direction, by all strengths that it was measured at; where one is there twice, by the trial."""
        if row["target"] is None or row["strength_per_sd"] is None:
            return row
        own, preserved = (table[table["direction"] == row["direction"]] for table in (self.effects, self.preserved))
        own = own.drop_duplicates(["strength", "attribute"], keep="last")
        preserved = preserved.drop_duplicates("strength", keep="last")
        return row | describe(row["target"], 1 if row["strength_per_sd"] > 0 else -1, own, preserved)

    def fine(self, row: Row) -> bool:
        """Whether images at its verified strength are the model's own."""
        own = self.verified[self.verified["direction"] == row["direction"]]
        return bool(own["realistic"].all())


@dataclass(frozen=True)
class Curves:
    """Effects of all directions: on all samples, on those few that strengths were verified on, and the verified ones on these."""

    all: pd.DataFrame
    few: pd.DataFrame | None
    verified: pd.DataFrame

    def of(self, direction: str, attribute: str) -> tuple[np.ndarray, np.ndarray]:
        """Strengths (S,) and effects (S,) of a direction on one attribute."""
        whole, verified = (_curve(table, direction, attribute) for table in (self.all, self.verified))
        verified = verified * self._unlike(whole, direction, attribute, verified.index)
        both = pd.concat([whole, verified])
        return both.index.to_numpy(float), both.to_numpy(float)

    def _unlike(self, whole: pd.Series, direction: str, attribute: str, at: pd.Index) -> float:
        """By how much all samples are moved more than the few, at the strength nearest to the one that was verified."""
        if self.few is None or not len(at):
            return 1.0
        few = _curve(self.few, direction, attribute)
        side = [strength for strength in few.index if strength * at[0] > 0]
        if not side:
            return 1.0
        near = min(side, key=lambda strength: abs(strength - at[0]))
        ratio = whole[near] / few[near] if few[near] else 0.0
        return float(ratio) if 1 / UNLIKE < ratio < UNLIKE else 1.0


def _curve(table: pd.DataFrame, direction: str, attribute: str) -> pd.Series:
    own = table[(table["direction"] == direction) & (table["attribute"] == attribute)]
    return own.set_index("strength")["effect"]


def calibrate(evaluate: Evaluate, n: int = 14) -> Calibrate:
    """The calibration of all directions of an evaluation but the random ones."""
    edit = evaluate.edit
    finders = tuple(finder for finder in edit.finders if not isinstance(finder, RandomDirections))
    calibrated = EditCalibrated(edit.sample, finders, n=n, evaluate=evaluate, purpose=evaluate.purpose)
    purpose = f"{evaluate.purpose}, calibrated".removeprefix(", ")
    scored = evaluate.scored
    again = ScoreEdits(calibrated, scored.judges, scored.embed, scored.head, purpose=purpose)
    return Calibrate(evaluate, again, purpose=evaluate.purpose)


def _corrected(row: Row, curves: Curves, fine: bool) -> Row:
    """By all strengths at which the target was measured. `fine`: images of the trial are the model's own."""
    if row["target"] is None or row["strength_per_sd"] is None:
        return row
    strengths, effect = curves.of(row["direction"], row["target"])
    sense = 1 if row["strength_per_sd"] > 0 else -1
    found = strength_per_sd(strengths, effect, sense, beyond=BEYOND)
    if found is None:
        return {**row, "strength_per_sd": None, "strength_by": None, "strength_in_range": None, "verified": True}
    verified = found.by == row["strength_by"]
    in_valid_range = fine if verified else row["valid_low"] <= found.measured_at <= row["valid_high"]
    return {
        **row,
        "strength_per_sd": found.strength,
        "strength_by": found.by,
        "strength_in_range": in_valid_range,
        "verified": verified,
    }


def _measured_at(row: Row) -> float | None:
    """The strength at which the strength per standard deviation of a profile was measured: its own, or its opposite."""
    return (
        None
        if row["strength_per_sd"] is None
        else StrengthPerSD(row["strength_per_sd"], row["strength_by"]).measured_at
    )
