"""What a direction was measured to do, by strength: the rows of effects.parquet of one direction by one judge, as a curve."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.metrics.differences import MeanChange

FIGURES = ("effect", "std", "std_error", "n", "raw", "significant", "control_limit")


@dataclass(frozen=True)
class Curve:
    """Effects of one direction by one judge. S strengths, rising, and A attributes; 0, where nothing changes, is not among them."""

    evaluation: int
    judge: str
    strengths: np.ndarray  # (S,)
    indices: np.ndarray  # (S,) of these strengths in the tables
    attributes: tuple[str, ...]
    figures: dict[str, np.ndarray]  # by FIGURES, each (S, A), NaN where there is none; significant is 0 or 1
    units: np.ndarray  # (A,) the judge's own in a standard deviation of each; NaN of what no direction moved

    @property
    def reversed(self) -> "Curve":
        """The curve of the direction turned round: what it does at g, this one does at -g."""
        turned = {name: table[::-1] for name, table in self.figures.items()}
        return replace(self, strengths=-self.strengths[::-1], indices=self.indices[::-1], figures=turned)

    def effects(self, attribute: str) -> tuple[np.ndarray, np.ndarray]:
        """Return strengths and effects on an attribute, both (S + 1,), with 0 at 0."""
        return self._through_0("effect", attribute)

    def covers(self, strength: float) -> bool:
        """Whether a strength is between two that were measured, or between one and 0."""
        low, high = min(0.0, self.strengths[0]), max(0.0, self.strengths[-1])
        return bool(low <= strength * (1 - 1e-6) <= high)

    def at(self, strength: float, attribute: str) -> MeanChange:
        """Return the effect at a strength, in standard deviations; between those that were measured, off straight lines."""
        mean, std, error = (self._along(name, strength, attribute) for name in ("effect", "std", "std_error"))
        n = self._values("n", attribute)[self._nearest(strength)]
        return MeanChange(mean, std, int(np.nan_to_num(n)), error)

    def between(self, strength: float) -> list[tuple[float, float]]:
        """Return the measured strengths that a strength is read off, each with its share: one, or two that it lies between.

        What is between 0 and a strength is read off that one, since nothing changes at 0.
        """
        if self.measured(strength):
            return [(float(self.strengths[self._nearest(strength)]), 1.0)]
        known = np.unique([*self.strengths, 0.0])
        place = int(np.searchsorted(known, strength))
        low, high = known[place - 1], known[place]
        share = (strength - low) / (high - low)
        return [(float(at), float(part)) for at, part in ((low, 1 - share), (high, share)) if at]

    def raw(self, strength: float, attribute: str) -> float:
        """The effect at the measured strength next to this one, as the judge gives it."""
        return float(self._values("raw", attribute)[self._nearest(strength)])

    def significant(self, strength: float, attribute: str) -> bool | None:
        """Whether the effect was significant at the measured strength next to this one; None where that is not known."""
        found = self._values("significant", attribute)[self._nearest(strength)]
        return None if np.isnan(found) else bool(found)

    def control_limit(self, strength: float, attribute: str) -> float:
        """What one more random direction stays under, at the measured strength next to this one; NaN where that is not known."""
        return float(self._values("control_limit", attribute)[self._nearest(strength)])

    def index(self, strength: float) -> int:
        """The index, in the tables, of the measured strength next to this one."""
        return int(self.indices[self._nearest(strength)])

    def measured(self, strength: float) -> bool:
        """Whether this strength itself was measured."""
        return bool(np.isclose(self.strengths[self._nearest(strength)], strength, rtol=1e-5))

    def _nearest(self, strength: float) -> int:
        return int(np.argmin(np.abs(self.strengths - strength)))

    def _values(self, name: str, attribute: str) -> np.ndarray:
        return self.figures[name][:, self.attributes.index(attribute)]

    def _along(self, name: str, strength: float, attribute: str) -> float:
        if self.measured(strength):
            return float(self._values(name, attribute)[self._nearest(strength)])
        return float(np.interp(strength, *self._through_0(name, attribute)))

    def _through_0(self, name: str, attribute: str) -> tuple[np.ndarray, np.ndarray]:
        place = int(np.searchsorted(self.strengths, 0.0))
        return np.insert(self.strengths, place, 0.0), np.insert(self._values(name, attribute), place, 0.0)


@dataclass(frozen=True)
class Curves:
    """The curves of a catalog's directions."""

    catalog: DirectionCatalog

    def of(self, direction: str) -> dict[str, Curve]:
        """The curves of a direction by judge, in the order of the evaluation that measured it; none where it was not measured."""
        return self._all.get(direction, {})

    def first(self, direction: str) -> Curve | None:
        """The curve by the first judge."""
        return next(iter(self.of(direction).values()), None)

    @cached_property
    def profiles(self) -> dict[str, dict[str, Any]]:
        """The rows of profiles.parquet by direction."""
        return {row["direction"]: row for row in self.catalog.arrow("profiles.parquet").to_pylist()}

    @cached_property
    def _all(self) -> dict[str, dict[str, Curve]]:
        table = self.catalog.table("effects.parquet")
        of_directions = table[~table["control"] & (table["strength_index"] >= 0)]
        units = _units(table)
        found: dict[str, dict[str, Curve]] = {}
        for (name, evaluation), rows in of_directions.groupby(["direction", "evaluation"], sort=False):
            judges = self.catalog.about.evaluations[evaluation].judges
            by_judge = ((judge, rows[rows["judge"] == judge]) for judge in judges)
            curves = {judge: _curve(evaluation, judge, own, units) for judge, own in by_judge if len(own)}
            found.setdefault(str(name), curves)  # the first evaluation that measured it
        return found


def _units(effects: pd.DataFrame) -> pd.Series:
    """The judge's own units in a standard deviation, by evaluation, judge and attribute, from what any direction moved."""
    sums = (
        effects[["raw", "effect"]].abs().groupby([effects[key] for key in ("evaluation", "judge", "attribute")]).sum()
    )
    return sums["raw"] / sums["effect"].where(sums["effect"] > 0)


def _curve(evaluation: int, judge: str, rows: pd.DataFrame, units: pd.Series) -> Curve:
    """The rows of one direction by one judge."""
    indices, first, row = np.unique(rows["strength_index"], return_index=True, return_inverse=True)
    strengths = rows["strength"].to_numpy(np.float64)[first]
    rising = np.argsort(strengths)
    attributes = tuple(map(str, dict.fromkeys(rows["attribute"])))
    column = rows["attribute"].map({name: place for place, name in enumerate(attributes)}).to_numpy()
    figures = {name: np.full((len(indices), len(attributes)), np.nan) for name in FIGURES}
    for name, table in figures.items():
        if name in rows:  # catalogs of earlier releases lack the latest
            table[row, column] = rows[name].astype(float)
        figures[name] = table[rising]
    own = units[evaluation, judge].reindex(list(attributes)).to_numpy(float)
    return Curve(evaluation, judge, strengths[rising], indices[rising], attributes, figures, own)
