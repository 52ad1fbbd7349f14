"""How sure what the claims say is: intervals of means, of ratios, and of whatever else samples are drawn for.

Shapes: n samples.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from pipeline.metrics.intervals import ratio_interval

DRAWS = 1000  # of a bootstrap


@dataclass(frozen=True)
class Interval:
    """A figure with the ends that it may have: at 95 % unless said otherwise. NaN where too little is known."""

    value: float
    low: float
    high: float

    def within(self, low: float, high: float) -> "Interval":
        """With ends that a share may have."""
        return Interval(self.value, max(self.low, low), min(self.high, high))

    def said(self, form: str = ".2f") -> str:
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


def of_mean(values: np.ndarray, tail: float = 0.025) -> Interval:
    """The mean of (n,) numbers that are independent, by Student's t."""
    if not len(values):
        return Interval(np.nan, np.nan, np.nan)
    n, mean = len(values), float(np.mean(values))
    width = float(-stdtrit(n - 1, tail) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else np.nan
    return Interval(mean, mean - width, mean + width)


def bootstrapped(statistic: Callable[[np.ndarray], Any], n: int, tail: float = 0.025) -> Interval:
    """A statistic of samples, given as rows (n,), with the quantiles that it has over samples drawn again.

    Drawing again makes a norm larger than it is, so its lower end is at most the value itself.
    """
    rng = np.random.default_rng(0)
    values = [float(statistic(rng.integers(n, size=n))) for _ in range(DRAWS)]
    low, high = np.quantile(values, (tail, 1 - tail))
    value = float(statistic(np.arange(n)))
    return Interval(value, min(float(low), value), float(high))


def at_equal_scores(
    home: np.ndarray, home_own: np.ndarray, away: np.ndarray, away_own: np.ndarray, tail: float = 0.05
) -> Interval:
    """Mean change away over mean change at home, both where the unedited score is the mean of all: 90 %, by Fieller (1954).

    A change is regressed on the sample's own unedited score, by least squares in either group. NaN where a mean is not above 0:
    there is nothing to keep.
    """
    centre = float(np.concatenate([home_own, away_own]).mean())
    (there, var_there), (here, var_here) = (
        _intercept(change, own - centre) for change, own in ((away, away_own), (home, home_own))
    )
    if not (there > 0 and here > 0):
        return Interval(np.nan, np.nan, np.nan)
    t = -stdtrit(min(len(home), len(away)) - 2, tail)
    x, y, var_x, var_y, cov = (np.array([each]) for each in (there, here, var_there, var_here, 0.0))
    low, high = ratio_interval(x, y, var_x, var_y, cov, t)
    return Interval(there / here, float(low[0]), float(high[0]))


def _intercept(change: np.ndarray, own: np.ndarray) -> tuple[float, float]:
    """The change where `own` is 0, and its variance."""
    x = np.stack([np.ones_like(own), own], axis=1)
    inverse = np.linalg.inv(x.T @ x)
    fitted = inverse @ x.T @ change
    left = change - x @ fitted
    return float(fitted[0]), float(inverse[0, 0] * (left @ left) / (len(change) - 2))


def least(at: np.ndarray, values: np.ndarray) -> float:
    """Where a curve known at a few places, ascending, is least: by the parabola through the least of them and its neighbours.

    At an end of the places, that end: what lies beyond is not known.
    """
    i = int(np.argmin(values))
    if i in (0, len(at) - 1):
        return float(at[i])
    a, b, _ = np.polyfit(at[i - 1 : i + 2], values[i - 1 : i + 2], 2)
    return float(-b / (2 * a)) if a > 0 else float(at[i])


def reaching(target: float, at: np.ndarray, effects: np.ndarray) -> float:
    """The strength from which an effect is first as large as the target, between 0 and those tried.

    Where none is, the strength of the largest.
    """
    places, known = np.concatenate([[0.0], at]), np.concatenate([[0.0], effects])
    beyond = np.flatnonzero(known >= target)
    if not len(beyond):
        return float(at[int(np.argmax(effects))])
    i = int(beyond[0])
    return float(np.interp(target, known[i - 1 : i + 1], places[i - 1 : i + 1]))
