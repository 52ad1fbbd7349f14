"""The control: how far random directions move an attribute, at the norm of the offset that is asked for.

Random directions are measured at a few norms, and what is compared with them has others. Each is taken at the norm nearest to the
one that is asked for, and carried from there by a power of the norm, one for all attributes, which is fitted to the random
directions themselves: each beside itself where they were measured at several norms, otherwise beside one another. The error of
that power counts against what is compared: a spread is carried down by the least power, and up by the largest, that its
standard error allows.

Close to 0 an effect is proportional to the offset, since images are a smooth function of it, and far away it levels off. So a power
of 1 +- 1/2 is taken to be known beforehand, and what is fitted counts beside it by its error (DerSimonian and Laird 1986: the error
of the mean over attributes, and the spread of the attributes around it).

Effects of random directions need not be normal. Of k effects with the kurtosis 5 a variance is known as well as from k / 2 normal
ones, and single effects reach farther, as Student's t with few degrees of freedom does, however many there are. So a spread has k
/ 2 degrees of freedom, and at most 3. With these the false discoveries of planted effects are at most as many as is said, also
where they have the tails of t with 3 degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

USUAL, DOUBTFUL = 1.0, 0.5  # power of the norm that is taken to be known beforehand, and its standard error
SURE = 1e-3  # standard error of a power below which it makes no difference
CARE = 1.0  # standard errors of the power that count against what is compared
STEEPEST = 2.0  # power by which the spread grows past the largest norm that was measured: no slower than was ever seen
TAILS, MOST = 0.5, 3.0  # degrees of freedom of the spread: so many a direction, and at most
APART = 1.5  # ratio of the largest norm to the smallest from which the power between them can be told


@dataclass(frozen=True)
class Power:
    """By which effects of random directions grow with the norm."""

    value: float
    error: float  # standard


@dataclass(frozen=True)
class ControlSpread:
    """Root mean square effect of random directions on one attribute, by the norm of the offset."""

    directions: tuple[
        tuple[np.ndarray, np.ndarray], ...
    ]  # of each the logarithms of its norms (m,), and the mean squares there (m,)
    power: Power

    def at(self, norm: np.ndarray) -> np.ndarray:
        """Return the spread at norms (n,), carried with care."""
        least, most = max(0.0, self.power.value - CARE * self.power.error), self.power.value + CARE * self.power.error
        (from_, squares), asked = self._nearest(norm), _log(norm)
        within = np.minimum(asked, max(norms.max() for norms, _ in self.directions))
        carried = within - from_
        there = np.sqrt((squares * np.exp(2 * carried * np.where(carried < 0, least, most))).mean(axis=0))
        return np.asarray(there * np.exp(max(most, STEEPEST) * (asked - within)))

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the spread, for effects that may be heavy-tailed."""
        return min(TAILS * len(self.directions), MOST)

    def _nearest(self, norm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each direction the logarithm of its norm that is nearest to each of these, and the mean square there, (k, n) each."""
        asked = _log(norm)
        places = [np.abs(norms[:, None] - asked).argmin(axis=0) for norms, _ in self.directions]
        found = [(norms[at], squares[at]) for (norms, squares), at in zip(self.directions, places, strict=True)]
        return np.stack([norms for norms, _ in found]), np.stack([squares for _, squares in found])


def _log(norm: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(norm, np.finfo(float).tiny)))


def control_spreads(
    controls: pd.DataFrame, norms: dict[str, float], values: str = "effect"
) -> dict[str, ControlSpread]:
    """Return spreads by attribute, from effects of random directions by one judge.

    controls: of schemas.effects, or its columns direction, strength, attribute and `values`; norms: by direction.
    """
    table = controls.assign(
        norm=controls["strength"].abs() * controls["direction"].map(norms), square=controls[values].astype(float) ** 2
    ).dropna(subset="square")
    edits = table[table["norm"] > 0].groupby(["attribute", "direction", "norm"], sort=False)["square"].mean()
    if edits.empty:
        return {}
    edits = edits.reset_index()
    power = _power(edits)
    return {
        str(attribute): ControlSpread(
            tuple((_log(each["norm"]), each["square"].to_numpy(float)) for _, each in own.groupby("direction")), power
        )
        for attribute, own in edits.groupby("attribute", sort=False)
    }


def _power(edits: pd.DataFrame) -> Power:
    """What is known of the power by these mean squares, a row an attribute, direction and norm, and beforehand."""
    fitted = _fitted(edits)
    if fitted is None:
        return Power(USUAL, DOUBTFUL)
    weights = np.array([DOUBTFUL, max(fitted.error, SURE)]) ** -2.0
    value = float(np.average([USUAL, max(0.0, fitted.value)], weights=weights))
    return Power(value, float(weights.sum() ** -0.5))


def _fitted(edits: pd.DataFrame) -> Power | None:
    """The slope of the logarithms of effects by those of norms; None where the norms are too near to each other to tell."""
    edits = edits[edits["square"] > 0]
    if edits.empty:
        return None
    of_one = edits.groupby("direction")["norm"]
    each_beside_itself = (of_one.max() >= APART * of_one.min()).any()
    if not each_beside_itself and edits["norm"].max() < APART * edits["norm"].min():
        return None
    groups = [edits["attribute"], edits["direction"]] if each_beside_itself else [edits["attribute"]]
    x, y = np.log(edits["norm"]), np.log(edits["square"]) / 2
    x, y = (values - values.groupby(groups).transform("mean") for values in (x, y))
    weight = float((x**2).sum())
    value = float((x * y).sum()) / weight
    alike, by_attribute = _errors(edits, x, y, value)
    return Power(value, float(np.sqrt(alike + by_attribute)))


def _errors(edits: pd.DataFrame, x: pd.Series, y: pd.Series, value: float) -> tuple[float, float]:
    """Variances of the slope: of the mean, with the effects of one direction taken together, and between attributes."""
    residual = x * (y - value * x)
    weight = (x**2).groupby(edits["attribute"]).sum()
    of_directions = residual.groupby(edits["direction"]).sum()
    several = len(of_directions) / max(len(of_directions) - 1, 1)
    alike = several * float((of_directions**2).sum()) / float(weight.sum()) ** 2
    weight = weight[weight > 0]
    slopes = (x * y).groupby(edits["attribute"]).sum()[weight.index] / weight
    left = y - x * edits["attribute"].map(slopes).fillna(value)
    scatter = float((left**2).sum()) / max(int((x != 0).sum()) - len(weight) - edits["direction"].nunique(), 1)
    more = float((weight * (slopes - value) ** 2).sum()) - (len(weight) - 1) * scatter
    room = float(weight.sum() - (weight**2).sum() / weight.sum())
    return alike, max(0.0, more / room) if room > 0 else 0.0


def largest_control(table: pd.DataFrame) -> pd.Series:
    """The largest absolute effect of any random direction at any strength, by attribute."""
    controls = table[table["control"]]
    return controls.assign(effect=controls["effect"].abs()).groupby("attribute")["effect"].max()
