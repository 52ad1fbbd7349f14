"""EditOtherwise: edits at the strengths that profiles give, by a sampler of the other kind than the profiles' own."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from pipeline.engine.stage import Need, Stage, one
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.stages import reading
from pipeline.stages.measures.edit import Edit, Row
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.sample_ids import OTHERWISE
from schemas.samplers import Sampler, sampler_of

ETA: dict[Sampler, float] = {"deterministic": 0.0, "stochastic": 1.0}
# The strength that is measured, in strengths per standard deviation of the run's own sampler, so that the target moves by about
# one: noise that is drawn at every step carries an edit farther.
AT: dict[Sampler, float] = {"deterministic": 1.5, "stochastic": 0.75}


@dataclass(frozen=True)
class EditOtherwise(Edit):
    """Edits of a strength of its own for each direction, in its profile's strengths per standard deviation.

    Of a direction without one it is the farthest strength at which images still are the model's own. On samples of their own: the
    strengths agree with those that they were read off, and tried on, by luck, too.
    """

    version: ClassVar[int] = 3
    ids: ClassVar[range] = OTHERWISE

    strengths: tuple[float, ...] = (1.0,)
    n: int = 28
    profiles: Profiles | None = None  # of these directions, by a sampler of the other kind

    def needs(self, part: int) -> Iterator[Need]:
        yield from super().needs(part)
        if part not in self.unedited_parts and self.profiles:
            yield one(self.profiles)

    def check(self) -> None:
        if self.profiles is None or not set(self.names) <= {
            name for each in self.profiles.evaluations for name in each.edit.names
        }:
            raise UserError("Strengths are those of profiles: give the profiles of these directions.")
        super().check()

    def _rows(self, part: int, store: Store) -> list[Row]:
        rows = super()._rows(part, store)
        if part in self.unedited_parts or self.profiles is None:
            return rows
        profiles = reading.table(store, self.profiles, "profiles.parquet").to_pylist()
        known = {
            row["direction"]: _measured_at(row["strength_per_sd"], row["strength_by"]) or row["strength"] or 1.0
            for row in profiles
        }
        return [row._replace(strength=row.strength * known[row.name]) for row in rows]


def _measured_at(per_sd: float | None, by: str | None) -> float | None:
    return None if per_sd is None else -per_sd if by == "fall" else per_sd


def otherwise(evaluate: Evaluate, profiles: Profiles, n: int, finders: tuple[Stage, ...]) -> ScoreEdits:
    """Edits of n samples along directions of an evaluation, by a sampler of the other kind than the run's own.

    Of the reverse process nothing differs but eta. They are scored by the evaluation's judges.
    """
    own = evaluate.edit.sample
    kind: Sampler = "deterministic" if sampler_of(own.eta) == "stochastic" else "stochastic"
    purpose = f"{evaluate.purpose}, {kind}".removeprefix(", ")
    edit = EditOtherwise(replace(own, eta=ETA[kind]), finders, (AT[kind],), n=n, profiles=profiles, purpose=purpose)
    scored = evaluate.scored
    return ScoreEdits(edit, scored.judges, scored.embed, scored.foreground, purpose=purpose)
