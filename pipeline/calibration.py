"""Calibration: how far a direction may be followed, and how far is one standard deviation of its target.

Shapes: S strengths, n samples.
"""

import numpy as np
import pandas as pd

# An edit leaves the model's own images where, beside unedited samples, ...
TYPICAL = 0.8  # fewer than this share as many lie on the manifold of unedited samples, by more than chance
FACE = 0.9  # the mean probability of a face is below this share of theirs
CLIPPED = 0.05  # or so many more of the values are at 0 or 255


def on_manifold(preservation: pd.DataFrame) -> np.ndarray:
    """Of each row of schemas.preservation, whether its images still look like the model's own, by all that was measured of them."""
    unedited = preservation.loc[preservation["direction"] == "unedited"].iloc[0]
    expected = TYPICAL * unedited["typical"]
    chance = 1.645 * np.sqrt(expected * (1 - expected) / preservation["n"])  # 95 % of samples of n stay above it
    left = (
        (preservation["typical"] < expected - chance)
        | (preservation["face"] < FACE * unedited["face"])
        | (preservation["clipped"] > unedited["clipped"] + CLIPPED)
    )  # comparisons with what was not measured are False
    return ~left.to_numpy(dtype=bool)


def reach(strengths: np.ndarray, on_manifold: np.ndarray) -> tuple[float, float]:
    """(low, high): how far strengths (S,) go to either side of 0 with every one on the manifold; 0 where not even the first is."""
    return 0.0 - _first_run(-strengths, on_manifold), _first_run(strengths, on_manifold)


def _first_run(strengths: np.ndarray, fine: np.ndarray) -> float:
    """Going out from 0 on the positive side: the last strength before one that is not fine."""
    farthest = 0.0
    for i in np.argsort(strengths):
        if strengths[i] <= 0:
            continue
        if not fine[i]:
            break
        farthest = float(strengths[i])
    return farthest


def unit_strength(strengths: np.ndarray, effects: np.ndarray, far: float = 1.0) -> float:
    """The strength at which an attribute has risen by `far` standard deviations: negative where it falls along the direction.

    strengths, effects: (S,). Both sides count alike: at each size of strength the mean of what the positive side does and of what
    the negative side undoes; straight lines between, from 0 at 0, and on beyond the last by as much again. NaN where that is not
    far enough.
    """
    sizes = np.unique(np.abs(strengths))
    signed = np.array([np.mean((np.sign(strengths) * effects)[np.abs(strengths) == size]) for size in sizes])
    x, y = np.concatenate([[0.0], sizes]), np.concatenate([[0.0], signed])
    x, y = np.append(x, 2 * x[-1]), np.append(y, 2 * y[-1])
    for i in np.flatnonzero(np.abs(y) >= far)[:1]:
        share = (far - abs(y[i - 1])) / (abs(y[i]) - abs(y[i - 1])) if y[i] * y[i - 1] >= 0 else 1.0
        return float(np.sign(y[i]) * (x[i - 1] + share * (x[i] - x[i - 1])))
    return float("nan")


def monotonicity(scores: np.ndarray) -> float:
    """Share of the pairs of strengths that a sample's scores are ordered like, mean over samples: 1 always rises, 0 always falls.

    scores: (n, S), strengths rising. Equal scores count as half; samples with a missing score are left out. NaN if none is left.
    """
    whole = scores[~np.isnan(scores).any(axis=1)]
    if not len(whole) or scores.shape[1] < 2:
        return float("nan")
    i, j = np.triu_indices(scores.shape[1], 1)
    return float((np.sign(whole[:, j] - whole[:, i]) + 1).mean() / 2)
