"""Samplers: how far a standard deviation is where images are made by a sampler of the other kind than the run's own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.engine.stage import Need, Stage, whole
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.formats.parquet import write_table
from pipeline.metrics.calibration import strength_per_sd
from pipeline.metrics.effects import effects
from pipeline.stages import reading
from pipeline.stages.finders.finder import Row
from pipeline.stages.measures.edit_otherwise import EditOtherwise
from pipeline.stages.measures.evaluate import Evaluate, preservation, standard_deviations
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.score_edits import ScoreEdits
from schemas.columns import table_of
from schemas.samplers import SAMPLERS, sampler_of

BEYOND = 1.5  # times the strength that was measured, up to which a straight line through it is believed


@dataclass(frozen=True)
class Samplers(Stage):
    """`samplers.parquet`: a row a direction that was edited with another eta, by the first judge of its evaluation.

    The unit is the standard deviation over the run's own samples, so that of both kinds of samplers the same is asked for.
    """

    version: ClassVar[int] = 2

    scored: tuple[ScoreEdits, ...]  # edits of EditOtherwise, of one strength a direction

    def needs(self, part: int) -> Iterator[Need]:
        behind = [stage for each in self.scored for stage in (_profiles(each), _evaluate(each).unedited)]
        return whole(*dict.fromkeys((*self.inputs, *behind)))

    def check(self) -> None:
        for scored in self.scored:
            _profiles(scored)
            if len(scored.edit.strengths) != 1:
                raise UserError(f"{len(scored.edit.strengths)} strengths by another sampler: expected one a direction.")

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        rows = [row for scored in self.scored for row in _rows(scored, store)]
        write_table(out / "samplers.parquet", table_of(rows, SAMPLERS))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        return reading.unlike(read, direction=[name for scored in self.scored for name in scored.edit.names])


def _profiles(scored: ScoreEdits) -> Profiles:
    if not isinstance(scored.edit, EditOtherwise) or scored.edit.profiles is None:
        raise UserError("Another sampler is measured at the strengths of profiles: give edits of EditOtherwise.")
    return scored.edit.profiles


def _evaluate(scored: ScoreEdits) -> Evaluate:
    """The evaluation of these directions, whose samples are the unit."""
    return next(each for each in _profiles(scored).evaluations if scored.edit.names[0] in each.edit.names)


def _rows(scored: ScoreEdits, store: Store) -> Iterator[Row]:
    """What these edits did to the target of each of their directions."""
    evaluate, eta = _evaluate(scored), scored.edit.sample.eta
    judge, unit = evaluate.judge, standard_deviations(evaluate.unedited, (evaluate.judge,), store)
    profiles = {
        row["direction"]: row for row in reading.table(store, _profiles(scored), "profiles.parquet").to_pylist()
    }
    scores = reading.table(store, scored, "scores.parquet").to_pandas()
    table = effects(scores[scores["judge"] == judge.name], unit)
    measured = {(row["direction"], row["attribute"]): row for row in table.to_dict("records")}
    preserved = preservation(reading.table(store, scored, "changes.parquet").to_pandas())
    realistic = dict(zip(preserved["direction"], preserved["realistic"], strict=True))
    for name in scored.edit.names:
        target, per_sd = profiles[name]["target"], profiles[name]["strength_per_sd"]
        row = {"direction": name, "judge": judge.name, "sampler": sampler_of(eta), "eta": eta, "target": target}
        if (found := measured.get((name, target))) is not None:
            row |= {key: found[key] for key in ("strength", "effect", "std", "n")}
            row |= _calibrated(found, -1 if (per_sd or 0) < 0 else 1, realistic[name])
        yield row


def _calibrated(found: Row, sense: int, in_range: bool | None) -> Row:
    """The strength per standard deviation on a straight line through what was measured. sense: the sign that raises the target.

    in_range: whether images there look like the model's own; None is not known.
    """
    at = np.array([found["strength"]])
    per_sd = strength_per_sd(at, np.array([found["effect"]]), sense, BEYOND)
    if per_sd is None:
        return {"strength_in_range": in_range}
    return {"strength_per_sd": per_sd.strength, "strength_by": per_sd.by, "strength_in_range": in_range}
