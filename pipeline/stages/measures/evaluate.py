"""Evaluate: how much each edit changes each attribute, and what it leaves alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from pipeline.annotators.base import Annotator, presence_of
from pipeline.engine.stage import Need, Stage, whole
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.formats.parquet import write_table
from pipeline.metrics.effects import effects
from pipeline.metrics.intervals import unit_error
from pipeline.metrics.realism import realistic_by_edit
from pipeline.metrics.response import Response
from pipeline.metrics.significance import beside_control
from pipeline.metrics.template import template
from pipeline.stages import reading
from pipeline.stages.finders.finder import check_independent, read_rows
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.score_edits import ScoreEdits, readings
from schemas.columns import table_of_frame
from schemas.edits import EDIT, UNEDITED
from schemas.effects import EFFECTS
from schemas.preservation import MEASURES, PRESERVATION

WHICH = ("direction", "strength_index", "judge", "attribute")  # effect a row is of


@dataclass(frozen=True)
class Evaluate(Stage):
    """`effects.parquet` and `preservation.parquet`.

    Effects are in standard deviations of each attribute over the unedited samples. What is preserved is told by all images that
    there are of an edit, those that chose its strength among them: it bounds how far strengths are chosen. Whoever scored the
    attribute that a direction was fitted on may not judge it, unless named in `allowed`.
    """

    version: ClassVar[int] = 8

    scored: ScoreEdits
    unedited: Annotate  # of samples, by the judges: the unit of effects
    control: "Evaluate | None" = None  # another evaluation, whose random directions these are compared with too
    allowed: tuple[str, ...] = ()  # judges that may judge directions of their own
    # the same edits of other samples, whose images count for what is preserved, and for no effect:
    beside: ScoreEdits | None = None

    def needs(self, part: int) -> Iterator[Need]:
        more = self.control.edit.finders if self.control else ()
        return whole(*dict.fromkeys((*self.inputs, *self.edit.finders, *more)))

    @property
    def edit(self) -> Edit:
        return self.scored.edit

    @property
    def judges(self) -> tuple[Annotator, ...]:
        return self.scored.judges

    @property
    def judge(self) -> Annotator:
        """The one that directions are named, calibrated and ranked by."""
        return self.judges[0]

    def check(self) -> None:
        if not self.judges:
            raise UserError("Without a judge there is nothing to measure effects by: expected at least one.")
        if set(self.judge.attributes) <= {presence_of(self.judge)}:
            raise UserError(
                f"{self.judge.name!r} says whether there is anything to score, and scores nothing else: name another judge first."
            )
        if missing := [judge.name for judge in self.judges if judge not in self.unedited.annotators]:
            raise UserError(
                f"{missing[0]} has not scored the unedited samples, whose spread is the unit of its effects."
            )
        for finder in self.edit.finders:
            check_independent(self.judges, finder, self.allowed)
        if self.beside and (self.beside.edit.ids == self.edit.ids or not _same_edits(self.beside.edit, self.edit)):
            raise UserError("What is preserved is told by the same edits of other samples: give those, or none.")

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        scores = reading.table(store, self.scored, "scores.parquet").to_pandas()
        changes = pd.concat(
            [reading.table(store, each, "changes.parquet").to_pandas() for each in (self.scored, self.beside) if each]
        )
        units = (of_each(self.unedited, self.judges, store) for of_each in (standard_deviations, unit_errors))
        table = effects(scores, *units)
        table = self.compared(table, table[table["control"]], store)
        write_table(out / "effects.parquet", table_of_frame(table, EFFECTS))
        write_table(out / "preservation.parquet", table_of_frame(preservation(changes), PRESERVATION))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        edits = list(product(self.edit.names, range(len(self.edit.strengths))))
        if file == "preservation.parquet":
            return reading.unlike_in_any_order(read, **reading.columns((*edits, ("unedited", UNEDITED)), *WHICH[:2]))
        of_each = (edit + read_off for edit, read_off in product(edits, readings(self.judges)))
        return reading.unlike_in_any_order(read, **reading.columns(of_each, *WHICH))

    def compared(self, table: pd.DataFrame, controls: pd.DataFrame, store: Store) -> pd.DataFrame:
        """Effects of these directions, beside the random ones of this evaluation, `controls`, and of `control`."""
        finders = self.edit.finders
        if self.control:
            elsewhere = reading.table(store, self.control, "effects.parquet").to_pandas()
            controls = pd.concat([controls, elsewhere[elsewhere["control"]]])
            finders = (*finders, *self.control.edit.finders)
        norms = {row["name"]: row["norm"] for row in read_rows(store, finders)}
        return beside_control(table, controls, norms)

    def responses(self, store: Store) -> dict[str, Response]:
        """What each direction does at each strength, by the first judge; without the random ones."""
        table, preserved = (
            reading.table(store, self, name).to_pandas() for name in ("effects.parquet", "preservation.parquet")
        )
        return responses(table[table["judge"] == self.judge.name], preserved)


def _same_edits(one: Edit, other: Edit) -> bool:
    return (one.sample, one.names, one.strengths, one.full) == (other.sample, other.names, other.strengths, other.full)


def standard_deviations(annotate: Annotate, judges: tuple[Annotator, ...], store: Store) -> pd.Series:
    """Return those of each attribute over unedited samples, by (judge, attribute): the unit of effects."""
    by_judge = {judge.name: annotate.scores(store, judge.name).std(ddof=0) for judge in judges}
    return pd.concat(by_judge, names=["judge", "attribute"])


def unit_errors(annotate: Annotate, judges: tuple[Annotator, ...], store: Store) -> pd.Series:
    """Return the relative standard errors of those, by the same."""
    by_judge = {judge.name: annotate.scores(store, judge.name).apply(unit_error) for judge in judges}
    return pd.concat(by_judge, names=["judge", "attribute"])


def responses(effects: pd.DataFrame, preserved: pd.DataFrame) -> dict[str, Response]:
    """Return responses by direction, from effects by one judge; without the random ones."""
    of_directions = effects[~effects["control"]].groupby("direction", sort=False)
    by_direction = dict(list(preserved.groupby("direction", sort=False)))
    return {str(name): Response.of(own, by_direction[name]) for name, own in of_directions}


def preservation(changes: pd.DataFrame) -> pd.DataFrame:
    """What schemas.scores.CHANGES say of each edit, and whether the images still are the model's own."""
    edit = [field.name for field in EDIT]
    groups = changes.groupby(edit, sort=False)
    means = groups[[field.name for field in MEASURES]].mean()
    table = means.join(groups.size().rename("n")).join(template(changes, edit))
    return table.join(realistic_by_edit(changes, edit)).reset_index()
