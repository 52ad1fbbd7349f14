"""Profiles: of every direction that was measured what it does, how far it may be followed, and what it is nearest to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from pipeline.engine.stage import Need, Stage, whole
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.formats.parquet import write_table
from pipeline.metrics.calibration import Verification
from pipeline.metrics.effects import effects
from pipeline.metrics.profiles import confirmed, nearest, profile, ranks, verified
from pipeline.metrics.response import Response
from pipeline.stages import reading
from pipeline.stages.finders.finder import Row, names_of, read_directions
from pipeline.stages.measures.edit_calibrated import EditCalibrated
from pipeline.stages.measures.evaluate import Evaluate, preservation, standard_deviations, unit_errors
from pipeline.stages.measures.score_edits import ScoreEdits, readings
from schemas.columns import table_of, table_of_frame
from schemas.confirmed import OF_EDIT
from schemas.profiles import PROFILES
from schemas.verified import VERIFIED

if TYPE_CHECKING:
    from pipeline.stages.measures.confirm import Confirm


@dataclass(frozen=True)
class Profiles(Stage):
    """`profiles.parquet`: one row a measured direction, by the first judge of its evaluation; `verified.parquet`.

    Where there are images at the strengths per standard deviation, these are verified on them, and corrected by them; they count
    for the valid range as any other strength, and what they show is in `verified.parquet`. Unsupervised directions are ranked, and
    compared with the supervised ones. Those that these same profiles rank first are described by other samples, where they were
    measured on such: what is the first of many is so partly by luck.
    """

    version: ClassVar[int] = 9

    finders: tuple[Stage, ...]  # whose directions are profiled, where they were measured
    evaluations: tuple[Evaluate, ...]
    verified_by: tuple[ScoreEdits, ...] = ()  # edits of EditCalibrated, of directions of these evaluations
    confirmed: "Confirm | None" = None  # of the directions that the same profiles without this rank first

    def needs(self, part: int) -> Iterator[Need]:
        behind = (stage for each in self.evaluations for stage, _ in each.needs(0))
        return whole(*dict.fromkeys((*self.inputs, *behind)))

    def check(self) -> None:
        if twice := [
            name for each in self.evaluations for name in each.edit.names if self._measured_by(name) is not each
        ]:
            raise UserError(f"Two evaluations both measure {twice[0]}: leave it out of one of them.")
        if any(_evaluated(scored) not in self.evaluations for scored in self.verified_by):
            raise UserError("Strengths are verified of another evaluation than these: give that one, too.")
        if self.confirmed and self.confirmed.profiles != replace(self, confirmed=None):
            raise UserError("Other profiles rank what was measured once more: give the same ones, or leave it out.")

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        rows, vectors = read_directions(store, self.finders)
        published = {row["name"]: row["attribute"] for row in rows}
        by_name = {row["direction"]: row for each in self.evaluations for row in self._of(each, published, store)}
        profiles = [by_name[name] for name in published if name in by_name]
        supervised = {row["name"]: row["capture"] for row in rows if row["attribute"] is not None}
        places = ranks([row for row in profiles if row["direction"] not in supervised])
        at = {row["name"]: row["capture"] for row in rows}
        beside = {
            name: {each: vectors[each] for each, point in supervised.items() if point == at[name]} for name in places
        }
        compared = {name: {"rank": rank, **nearest(vectors[name], beside[name])} for name, rank in places.items()}
        table = [row | compared.get(row["direction"], {}) for row in profiles]
        if self.confirmed:
            table = self._confirmed(table, self.confirmed.responses(store), store)
        write_table(out / "profiles.parquet", table_of(table, PROFILES))
        if self.verified_by:
            trials = pd.concat([_trials(scored, self.evaluations, store) for scored in self.verified_by])
            write_table(out / "verified.parquet", table_of_frame(trials[VERIFIED.names], VERIFIED))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        if file == "verified.parquet":
            tried = (
                (name, *read_off)
                for each in self.verified_by
                for name, read_off in product(each.edit.names, readings(each.judges))
            )
            return reading.unlike_in_any_order(read, **reading.columns(tried, "direction", "judge", "attribute"))
        measured = {name for each in self.evaluations for name in each.edit.names if name not in each.edit.random}
        published = (name for finder in self.finders for name in names_of(finder))
        return reading.unlike(read, direction=[name for name in published if name in measured])

    def _measured_by(self, name: str) -> Evaluate:
        return next(each for each in self.evaluations if name in each.edit.names)

    def _of(self, evaluate: Evaluate, published: dict[str, str | None], store: Store) -> Iterator[Row]:
        """The profiles of an evaluation's directions, before they are compared with one another."""
        scores = _scores(evaluate, store)
        by_direction = dict(list(scores.groupby("direction", sort=False)))
        verifications = self._verifications(evaluate, store)
        for name, measured in evaluate.responses(store).items():
            if name in published:
                own = pd.concat([by_direction["unedited"], by_direction[name]])
                row = profile(published[name], measured, own)
                if name in verifications:
                    row = verified(row, measured, verifications[name], published[name] is None)
                yield {"direction": name, "judge": evaluate.judge.name, **row}

    def _confirmed(
        self, profiles: list[Row], fresh: dict[str, tuple[Response, dict[str, int]]], store: Store
    ) -> list[Row]:
        """The profiles, of which some are by fresh samples, and on how many."""
        measured: dict[str, Response] = {}
        verifications: dict[str, Verification] = {}
        for evaluate in dict.fromkeys(self._measured_by(name) for name in fresh):
            measured |= evaluate.responses(store)
            verifications |= self._verifications(evaluate, store)

        def by_these(row: Row) -> Row:
            name = row["direction"]
            response, n = fresh[name]
            by = confirmed(row, measured[name], response, verifications.get(name))
            return by | {"confirmed_n": n.get(row["target"])}

        return [by_these(row) if row["direction"] in fresh else row for row in profiles]

    def _verifications(self, evaluate: Evaluate, store: Store) -> dict[str, Verification]:
        """What images at strengths per standard deviation showed, by direction."""
        return {
            name: found
            for scored in self.verified_by
            if _evaluated(scored) == evaluate
            for name, found in _read(scored, evaluate, store)
        }


def _scores(evaluate: Evaluate, store: Store) -> pd.DataFrame:
    """An evaluation's scores by its first judge."""
    scores = reading.table(store, evaluate.scored, "scores.parquet").to_pandas()
    return scores[scores["judge"] == evaluate.judge.name]


def _evaluated(scored: ScoreEdits) -> Evaluate | None:
    """The evaluation whose strengths per standard deviation these edits verify."""
    return scored.edit.evaluate if isinstance(scored.edit, EditCalibrated) else None


def _trials(scored: ScoreEdits, evaluations: Sequence[Evaluate], store: Store) -> pd.DataFrame:
    """Effects of these edits, and whether their images still look like the model's own."""
    evaluate = next(each for each in evaluations if each == _evaluated(scored))
    units = (of_each(evaluate.unedited, evaluate.judges, store) for of_each in (standard_deviations, unit_errors))
    scores = reading.table(store, scored, "scores.parquet").to_pandas()
    preserved = preservation(reading.table(store, scored, "changes.parquet").to_pandas())
    table = reading.table(store, evaluate, "effects.parquet").to_pandas()
    found = evaluate.compared(effects(scores, *units), table[table["control"]], store)
    key = ["direction", "strength_index"]
    return found[~found["control"]].merge(preserved[[*key, *OF_EDIT]], on=key, how="left", validate="many_to_one")


def _read(scored: ScoreEdits, evaluate: Evaluate, store: Store) -> Iterator[tuple[str, Verification]]:
    """What these edits showed of each of their directions, by the first judge."""
    found = _trials(scored, [evaluate], store)
    found = found[found["judge"] == evaluate.judge.name]
    for name, own in found.groupby("direction", sort=False):
        yield str(name), Verification(Response.of(own, own.drop_duplicates("strength_index")))
