"""Evaluate: how much each edit changes each attribute, what it leaves alone, and how far a direction may be followed."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from pipeline.annotators.base import Annotator
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.formats.parquet import write_table
from pipeline.metrics.calibration import realistic
from pipeline.metrics.effects import beside_control, effects
from pipeline.metrics.profiles import profile
from pipeline.stages.finders.finder import Row, check_independent, read_rows
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.score_edits import ScoreEdits
from schemas.columns import table_of, table_of_frame
from schemas.effects import EFFECTS
from schemas.preservation import PRESERVATION
from schemas.profiles import PROFILES
from schemas.scores import SCORES

MEASURED = ("identity", "ms_ssim", "change_outside", "background_shift", "clipped", "precision")


@dataclass(frozen=True)
class Evaluate(Stage):
    """`effects.parquet`, `preservation.parquet`, `profiles.parquet`, and the scores behind them, `scores.parquet`.

    Effects are in standard deviations of each attribute over the unedited samples. Whoever scored the attribute that a direction
    was fitted on may not judge it, unless named in `allowed`. Profiles are by the first judge.
    """

    version: ClassVar[int] = 3

    scored: ScoreEdits
    unedited: Annotate  # of samples, by the judges: the unit of effects
    control: "Evaluate | None" = None  # another evaluation, whose random directions these are compared with too
    allowed: tuple[str, ...] = ()  # judges that may judge directions of their own

    @property
    def inputs(self) -> tuple[Stage, ...]:
        more = self.control.edit.finders if self.control else ()
        return tuple(dict.fromkeys((*super().inputs, *self.edit.finders, *more)))

    @property
    def edit(self) -> Edit:
        return self.scored.edit

    @property
    def judges(self) -> tuple[Annotator, ...]:
        return self.scored.judges

    @property
    def judge(self) -> Annotator:
        """The one that profiles are by."""
        return self.judges[0]

    def check(self) -> None:
        if not self.judges:
            raise UserError("Without a judge there is nothing to measure effects by: expected at least one.")
        if missing := [judge.name for judge in self.judges if judge not in self.unedited.annotators]:
            raise UserError(
                f"{missing[0]} has not scored the unedited samples, whose spread is the unit of its effects."
            )
        for finder in self.edit.finders:
            check_independent(self.judges, finder, self.allowed)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        rows = read_rows(store, self.edit.finders)
        scores = store.table(self.scored, "scores.parquet").to_pandas()
        changes = store.table(self.scored, "changes.parquet").to_pandas()
        table = effects(scores, standard_deviations(self.unedited, self.judges, store))
        table = self.compared(table, table[table["control"]], store)
        preserved = preservation(changes, scores)
        profiles = [self._profile(row, table, preserved, scores) for row in rows if row["method"] != "random"]

        write_table(out / "scores.parquet", table_of_frame(scores, SCORES))
        write_table(out / "effects.parquet", table_of_frame(table, EFFECTS))
        write_table(out / "preservation.parquet", table_of_frame(preserved, PRESERVATION))
        write_table(out / "profiles.parquet", table_of(profiles, PROFILES))

    def compared(self, table: pd.DataFrame, controls: pd.DataFrame, store: Store) -> pd.DataFrame:
        """Effects of these directions, beside the random ones of this evaluation, `controls`, and of `control`."""
        finders = self.edit.finders
        if self.control:
            elsewhere = store.table(self.control, "effects.parquet").to_pandas()
            controls = pd.concat([controls, elsewhere[elsewhere["control"]]])
            finders = (*finders, *self.control.edit.finders)
        norms = {row["name"]: row["norm"] for row in read_rows(store, finders)}
        return beside_control(table, controls, norms)

    def _profile(self, row: Row, table: pd.DataFrame, preserved: pd.DataFrame, scores: pd.DataFrame) -> Row:
        name, judge = row["name"], self.judge.name
        own = table[(table["direction"] == name) & (table["judge"] == judge)]
        seen = scores[scores["direction"].isin([name, "unedited"]) & (scores["judge"] == judge)]
        found = profile(name, row["attribute"], own, preserved[preserved["direction"] == name], seen)
        return {"judge": judge, **found}


def standard_deviations(annotate: Annotate, judges: tuple[Annotator, ...], store: Store) -> pd.Series:
    """Of each attribute over unedited samples, by (judge, attribute): the unit of effects."""
    by_judge = {judge.name: annotate.scores(store, judge.name).std(ddof=0) for judge in judges}
    return pd.concat(by_judge, names=["judge", "attribute"])


def preservation(changes: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Means over the held-out samples of schemas.scores.CHANGES, and whether the images still are the model's own."""
    edit = ["direction", "control", "strength"]
    groups = changes.groupby(edit, sort=False)
    faces = scores[scores["attribute"] == "face"].groupby(edit, sort=False)["score"].mean().rename("face")
    table = groups[list(MEASURED)].mean().join(groups.size().rename("n")).join(faces).reset_index()
    return table.assign(realistic=realistic(table))
