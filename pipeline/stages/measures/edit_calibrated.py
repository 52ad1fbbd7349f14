"""EditCalibrated: edits along each direction at the strength that should move its target by one standard deviation."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from pipeline.engine.stage import Need, Stage, one
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.metrics.calibration import guess
from pipeline.metrics.profiles import calibrated, profile
from pipeline.stages.finders.finder import names_of, read_rows
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.measures.edit import Edit, Row
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.sample_ids import VERIFIED


@dataclass(frozen=True)
class EditCalibrated(Edit):
    """Edits of a strength of its own for each direction: about where its target has risen by one standard deviation.

    Of samples of their own: those that a strength was read off agree with it by luck, too.
    """

    version: ClassVar[int] = 5
    ids: ClassVar[range] = VERIFIED

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

    def _rows(self, part: int, store: Store) -> list[Row]:
        rows = super()._rows(part, store)
        if part in self.unedited_parts or self.evaluate is None:
            return rows
        used = {row.name for row in rows}
        responses = self.evaluate.responses(store)
        found = read_rows(store, tuple(finder for finder in self.finders if used & set(names_of(finder))))
        per_sd = {
            row["name"]: guess(
                calibrated(profile(row["attribute"], responses[row["name"]])), responses[row["name"]].strengths.tolist()
            )
            for row in found
            if row["name"] in used
        }
        return [row._replace(strength=row.strength * per_sd[row.name]) for row in rows]


def verification(evaluate: Evaluate, n: int = 14, finders: tuple[Stage, ...] | None = None) -> ScoreEdits:
    """Edits at their strengths per SD along the directions of an evaluation, but for the random ones, or of some of its finders.

    They are scored by its judges.
    """
    edit, scored = evaluate.edit, evaluate.scored
    if finders is None:
        finders = tuple(finder for finder in edit.finders if not isinstance(finder, RandomDirections))
    edits = EditCalibrated(edit.sample, finders, n=n, evaluate=evaluate, purpose=evaluate.purpose)
    purpose = f"{evaluate.purpose}, calibrated".removeprefix(", ")
    return ScoreEdits(edits, scored.judges, scored.embed, scored.foreground, purpose=purpose)
