"""What a direction was measured to do, by strength: the rows of effects.parquet of one direction by one judge, as a curve."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.metrics.differences import MeanChange

FIGURES = ("effect", "std", "n", "raw", "significant")


@dataclass(frozen=True)
class Curve:
    """Effects of one direction by one judge. S strengths, rising, and A attributes; 0, where nothing changes, is not among them."""

    evaluation: int
    judge: str
    strengths: np.ndarray  # (S,)
    indices: np.ndarray  # (S,) of these strengths in the tables
    figures: dict[str, pd.DataFrame]  # by FIGURES, each (S, A)

    @property
    def attributes(self) -> list[str]:
        return list(self.figures["effect"].columns)

    @property
    def units(self) -> np.ndarray:
        """How many of the judge's own units a standard deviation of each attribute is (A,); NaN of what was not moved."""
        raw, effect = (np.nansum(np.abs(self.figures[name].to_numpy(float)), axis=0) for name in ("raw", "effect"))
        return np.divide(raw, effect, out=np.full(len(effect), np.nan), where=effect > 0)

    @property
    def reversed(self) -> "Curve":
        """The curve of the direction turned round: what it does at g, this one does at -g."""
        turned = {name: table[::-1] for name, table in self.figures.items()}
        return Curve(self.evaluation, self.judge, -self.strengths[::-1], self.indices[::-1], turned)

    def effects(self, attribute: str) -> tuple[np.ndarray, np.ndarray]:
        """Return strengths and effects on an attribute, both (S + 1,), with 0 at 0."""
        place = int(np.searchsorted(self.strengths, 0.0))
        return np.insert(self.strengths, place, 0.0), np.insert(self._values("effect", attribute), place, 0.0)

    def covers(self, strength: float) -> bool:
        """Whether a strength is between two that were measured, or between one and 0."""
        low, high = min(0.0, self.strengths[0]), max(0.0, self.strengths[-1])
        return bool(low <= strength * (1 - 1e-6) <= high)

    def at(self, strength: float, attribute: str) -> MeanChange:
        """Return the effect at a strength, in standard deviations; between those that were measured, off straight lines."""
        mean, std = (self._along(name, strength, attribute) for name in ("effect", "std"))
        return MeanChange(mean, std, int(self._values("n", attribute)[self._nearest(strength)]))

    def significant(self, strength: float, attribute: str) -> bool | None:
        """Whether the effect was significant at the measured strength next to this one; None where that is not known."""
        found = self.figures["significant"][attribute].iloc[self._nearest(strength)]
        return None if pd.isna(found) else bool(found)

    def index(self, strength: float) -> int:
        """The index, in the tables, of the measured strength next to this one."""
        return int(self.indices[self._nearest(strength)])

    def measured(self, strength: float) -> bool:
        """Whether this strength itself was measured."""
        return bool(np.isclose(self.strengths[self._nearest(strength)], strength, rtol=1e-5))

    def _nearest(self, strength: float) -> int:
        return int(np.argmin(np.abs(self.strengths - strength)))

    def _values(self, name: str, attribute: str) -> np.ndarray:
        return self.figures[name][attribute].to_numpy(dtype=np.float64)

    def _along(self, name: str, strength: float, attribute: str) -> float:
        if self.measured(strength):
            return float(self._values(name, attribute)[self._nearest(strength)])
        place = int(np.searchsorted(self.strengths, 0.0))
        x, y = np.insert(self.strengths, place, 0.0), np.insert(self._values(name, attribute), place, 0.0)
        return float(np.interp(strength, x, y))


@dataclass(frozen=True)
class Curves:
    """The curves of a catalog's directions."""

    catalog: DirectionCatalog

    def of(self, direction: str) -> dict[str, Curve]:
        """The curves of a direction by judge, in the order of the evaluation that measured it; none where it was not measured."""
        rows = self._rows.get(direction)
        if rows is None:
            return {}
        evaluation = int(rows["evaluation"].iloc[0])
        own = rows[rows["evaluation"] == evaluation]
        judged = {str(judge): each for judge, each in own.groupby("judge", sort=False)}
        order = self.catalog.about.evaluations[evaluation].judges
        return {judge: _curve(evaluation, judge, judged[judge]) for judge in order if judge in judged}

    def first(self, direction: str) -> Curve | None:
        """The curve by the first judge."""
        return next(iter(self.of(direction).values()), None)

    @cached_property
    def profiles(self) -> dict[str, dict[str, Any]]:
        """The rows of profiles.parquet by direction."""
        return {row["direction"]: row for row in self.catalog.arrow("profiles.parquet").to_pylist()}

    @cached_property
    def _rows(self) -> dict[str, pd.DataFrame]:
        table = self.catalog.table("effects.parquet")
        of_directions = table[~table["control"] & (table["strength_index"] >= 0)]
        return {str(name): rows for name, rows in of_directions.groupby("direction", sort=False)}


def _curve(evaluation: int, judge: str, rows: pd.DataFrame) -> Curve:
    strengths = rows.groupby("strength_index")["strength"].first().sort_values()
    tables = {name: rows.pivot(index="strength_index", columns="attribute", values=name) for name in FIGURES}
    figures = {name: table.loc[strengths.index] for name, table in tables.items()}
    return Curve(evaluation, judge, strengths.to_numpy(float), strengths.index.to_numpy(int), figures)
