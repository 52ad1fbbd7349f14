"""Disentangle: project out of each supervised direction what it shares with others, Eq. 12."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, get_args

import numpy as np

from pipeline.annotators.base import Annotator
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.estimators.projection import By, Projection, project
from pipeline.estimators.stability import COLUMNS
from pipeline.stages.finders.finder import Row, fitted_with, names_of, read_directions, write_directions

LEAST_KEPT = 0.02  # share of the norm: below it, what is left of a direction is rounding and noise
LITTLE_KEPT = 0.2  # below it, a direction should be looked at before it is used


@dataclass(frozen=True)
class Disentangle(Stage):
    """Each direction v_0 with other attributes' directions projected away: those of its finder, and of as many others as wanted.

    Never one of its own attribute. What is left is scaled back to the norm of v_0, so that strengths compare; the rows say how much
    was left, at each step too, how nearly the conditions depend on each other, and which of them took what.
    """

    version: ClassVar[int] = 4

    finder: Stage  # a supervised finder
    others: tuple[Stage, ...] = ()  # further finders
    by: By = "joint"  # over the whole trajectory at once, or every step on its own

    @property
    def fitted_with(self) -> tuple[Annotator, ...]:
        return fitted_with(self.finder, *self.others)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._name(name) for name in names_of(self.finder))

    def _name(self, v_0: str) -> str:
        return f"{v_0}/disentangled" + ("-by-step" if self.by == "step" else "")

    def check(self) -> None:
        if self.by not in get_args(By):
            raise UserError(f"Projected {self.by!r}: expected joint or step.")
        if len(self.names) + sum(len(names_of(other)) for other in self.others) < 2:
            raise UserError("Disentangling needs at least two attributes: there is nothing to project away from one.")

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        rows, vectors = read_directions(store, (self.finder, *self.others))
        projected = [self._project(row, rows, vectors) for row in rows if row["name"] in names_of(self.finder)]
        write_directions(out, self, {row["name"]: v for row, v in projected}, [row for row, _ in projected])

    def _project(self, row: Row, rows: list[Row], vectors: dict[str, np.ndarray]) -> tuple[Row, np.ndarray]:
        """One direction: its row, and the vector at the norm of v_0."""
        removed = [other["name"] for other in rows if other["name"] != row["name"] and not _same_attribute(row, other)]
        if not removed:
            raise UserError(
                f"There is nothing to project away from {row['name']}: all others are of its own attribute."
            )
        projection = project(vectors[row["name"]], np.stack([vectors[name] for name in removed]), self.by)
        return projected_row(row, self._name(row["name"]), removed, projection, self.by), projection.v / projection.kept


def _same_attribute(row: Row, other: Row) -> bool:
    return row["attribute"] is not None and row["attribute"] == other["attribute"]


def projected_row(row: Row, name: str, removed: list[str], projection: Projection, by: By) -> Row:
    """The row of a projected direction. Raises UserError where next to nothing of it is left."""
    culprits = _culprits(removed, projection)
    if projection.kept < LEAST_KEPT:
        raise UserError(
            f"{row['name']}: only {projection.kept:.1%} is left once the other {len(removed)} directions are projected away.\n"
            f"Most of it went to {culprits}: to this model they are the same. Leave one of them out of `attributes`."
        )
    warnings = list(row["warnings"] or [])
    if projection.kept < LITTLE_KEPT:
        warnings.append(
            f"{name}: {projection.kept:.0%} of the norm is left after the projection; most of it went to {culprits}"
        )
    unknown = dict.fromkeys(COLUMNS)
    return {
        **row,
        **unknown,
        "name": name,
        "parents": [row["name"], *removed],
        "projected_by": by,
        "norm_kept": projection.kept,
        "norm_kept_by_step": projection.kept_by_step.tolist(),
        "condition_number": projection.condition,
        "removed_share": projection.removed_share.tolist(),
        "warnings": warnings or None,
    }


def _culprits(removed: list[str], projection: Projection) -> str:
    """The conditions that took most, in words."""
    share = projection.removed_share
    most = [i for i in np.argsort(-share)[:2] if share[i] > 0]
    return " and ".join(f"{removed[i]} ({share[i]:.0%})" for i in most) or "none"
