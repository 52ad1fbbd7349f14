"""Calibration: how far a direction may be followed, and how far is one standard deviation of its target.

Shapes: S strengths, n samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.metrics.response import Response

APART = 0.8  # as a share of a farther one: strengths that are nearer to it differ by chance rather than by strength
NEARER = 0.6  # share of a calibrated strength on a straight line from 0
BELIEVED = 1.25  # times the farthest verified strength, up to which a strength per standard deviation is believed
UNLIKE = 2.0  # times more, or less, that the few samples of a verification may be moved than all samples


def valid_range(strengths: np.ndarray, realistic: np.ndarray) -> tuple[float, float]:
    """Return (low, high): how far strengths (S,) go to either side of 0 with every one realistic; 0 where not even the first is."""
    return 0.0 - _first_run(-strengths, realistic), _first_run(strengths, realistic)


def in_valid_range(strength: float, strengths: np.ndarray, realistic: np.ndarray) -> bool:
    """Whether the strength (of S) that was measured next to this one, on its side, is within the valid range, and this is not far
    beyond that.
    """
    side = strengths[strengths * strength > 0]
    if not len(side):
        return False
    low, high = valid_range(strengths, realistic)
    return within_reach(strength, side[np.argmin(np.abs(side - strength))], low, high)


def within_reach(strength: float, measured: float, low: float, high: float) -> bool:
    """Whether a strength is about where images are the model's own: the one measured next to it is in a range, and it is no farther
    beyond that than a strength per standard deviation is believed.
    """
    return bool(low <= measured <= high and BELIEVED * low <= strength <= BELIEVED * high)


def _first_run(strengths: np.ndarray, fine: np.ndarray) -> float:
    """Going out from 0 on the positive side: the last strength before one that is not fine, at any of its measurements."""
    farthest = 0.0
    for i in np.lexsort((fine, strengths)):
        if strengths[i] <= 0:
            continue
        if not fine[i]:
            break
        farthest = float(strengths[i])
    return farthest


def strength_of_one_sd(strengths: np.ndarray, effects: np.ndarray, sense: int = 1, beyond: float = 2.0) -> float:
    """The strength at which an attribute has risen by one standard deviation, on the side that raises it (`sense`, 1 or -1).

    strengths, effects: (S,). Straight lines between the measured strengths, from 0 at 0, and beyond the last, to `beyond` times it,
    along the line to it from one that is clearly nearer; of a strength that was measured twice the mean. NaN where that is not far
    enough, or nothing was measured on that side.
    """
    side = (strengths * sense > 0) & np.isfinite(effects)
    measured = pd.Series(effects[side]).groupby(np.abs(strengths[side])).mean()  # in the order of strengths
    x, y = (np.concatenate([[0.0], values]) for values in (measured.index.to_numpy(float), measured.to_numpy(float)))
    if len(x) > 1:
        near, farther = np.flatnonzero(x <= APART * x[-1])[-1], (beyond - 1) * x[-1]
        x, y = np.append(x, x[-1] + farther), np.append(y, y[-1] + farther * (y[-1] - y[near]) / (x[-1] - x[near]))
    for i in np.flatnonzero(y >= 1)[:1]:
        share = (1 - y[i - 1]) / (y[i] - y[i - 1])
        return float(sense * (x[i - 1] + share * (x[i] - x[i - 1])))
    return float("nan")


@dataclass(frozen=True)
class StrengthPerSD:
    """The strength that moves a target by one standard deviation, > 0 where strengths above 0 raise it."""

    strength: float
    by: Literal["rise", "fall"]  # what was measured: the target rising at that strength, or falling at its opposite

    @property
    def measured_at(self) -> float:
        return self.strength if self.by == "rise" else -self.strength


def strength_per_sd(
    strengths: np.ndarray, effects: np.ndarray, sense: int = 1, beyond: float = 2.0
) -> StrengthPerSD | None:
    """Return it by how far an attribute rises or, where that is not far enough, falls on the other side; None where neither is.

    What half of the samples have already cannot rise by one standard deviation, but it can fall. The arguments are those of
    `strength_of_one_sd`.
    """
    if np.isfinite(rise := strength_of_one_sd(strengths, effects, sense, beyond)):
        return StrengthPerSD(rise, "rise")
    fall = strength_of_one_sd(strengths, -effects, -sense, beyond)
    return StrengthPerSD(-fall, "fall") if np.isfinite(fall) else None


def guess(found: StrengthPerSD | None, strengths: Sequence[float]) -> float:
    """Return where to verify a strength per standard deviation that was read off measurements at `strengths`.

    A little nearer than a straight line from 0 says, since effects level off; without one the farthest measured strength.
    """
    if found is None:
        return max(strengths, key=abs)
    measured_at = found.measured_at
    least = min((abs(strength) for strength in strengths if strength * measured_at > 0), default=0.0)
    return measured_at * (NEARER if abs(measured_at) < least else 1.0)


@dataclass(frozen=True)
class Verification:
    """What a direction did on other samples at the strength that should move its target by one standard deviation."""

    response: Response
    # (S, A) effects on few samples at the strengths that all were measured at, where what it did is known of as few:
    few: pd.DataFrame | None = None

    def verify(self, found: StrengthPerSD, target: str, measured: Response) -> StrengthPerSD | None:
        """Return the strength per standard deviation by this and all that was measured before; None where there is none.

        Where that was measured at about the strength that was verified, the mean of both counts, at the mean of both strengths:
        each as much as it is sure.
        """
        strengths, effects = measured.strengths, measured.effect[target].to_numpy(float)
        on_all = self.response.effect[target].to_numpy(float) * self._unlike(target, measured)
        weights, of_each = _weights(target, measured, self.response)
        for strength, effect, weight in zip(self.response.strengths, on_all, of_each, strict=True):
            if not np.isfinite(effect):
                continue
            shares = strengths / strength
            near = (shares >= APART) & (shares <= 1 / APART) & np.isfinite(effects)
            of = np.append(weights[near], weight)
            strengths = np.append(strengths[~near], np.average(np.append(strengths[near], strength), weights=of))
            effects = np.append(effects[~near], np.average(np.append(effects[near], effect), weights=of))
            weights = np.append(weights[~near], of.sum())
        return strength_per_sd(strengths, effects, 1 if found.strength > 0 else -1, beyond=BELIEVED)

    def _unlike(self, target: str, measured: Response) -> float:
        """Return by how much all samples are moved more than the few, at the strength nearest to the one that was verified."""
        if self.few is None or not len(self.response.strengths):
            return 1.0
        at = self.response.strengths[0]
        side = np.flatnonzero(measured.strengths * at > 0)
        if not len(side):
            return 1.0
        near = side[np.argmin(np.abs(measured.strengths[side] - at))]
        few = self.few[target].loc[measured.effect.index[near]]
        ratio = measured.effect[target].iloc[near] / few if few else 0.0
        return float(ratio) if 1 / UNLIKE < ratio < UNLIKE else 1.0


def _weights(target: str, *responses: Response) -> list[np.ndarray]:
    """How much the effects on a target count in a mean (S,): 1 / error^2, or all alike where an error is not known."""
    errors = [
        np.full(len(of.strengths), np.nan) if of.error is None else of.error[target].to_numpy(float) for of in responses
    ]
    known = all((np.isfinite(error) & (error > 0)).all() for error in errors)
    return [1 / np.square(error) if known else np.ones(len(error)) for error in errors]


def monotonicity(scores: np.ndarray) -> float:
    """Share of the pairs of strengths that a sample's scores are ordered like, mean over samples: 1 always rises, 0 always falls.

    scores: (n, S), strengths rising. Equal scores count as half; samples with a missing score are left out. NaN if none is left.
    """
    whole = scores[~np.isnan(scores).any(axis=1)]
    if not len(whole) or scores.shape[1] < 2:
        return float("nan")
    i, j = np.triu_indices(scores.shape[1], 1)
    return float((np.sign(whole[:, j] - whole[:, i]) + 1).mean() / 2)
