"""Carriage: the share of the way to another sample that a swap of h between the two takes something.

    share = sum (swapped - own) (other - own) / sum (other - own)^2

over all samples, which is the slope of a line through the origin: 0 leaves everybody as he was, 1 makes everybody the other one.
It says nothing of what else a swap does. Samples come in pairs, 0 and 1, 2 and 3, ..., in which each is the other's other. The
error of the slope is White's, HC3 (MacKinnon and White 1985): pairs that differ much vary much, and few of them may decide it.

Shapes: n samples, an even number, with scores (n,), or images (n, H, W, C) and masks (n, H, W).
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

LEVEL = 0.95  # of intervals
FEWEST = 2  # pairs that an interval can be drawn from


class Share(NamedTuple):
    """A share with its interval; NaN where it cannot be told."""

    share: float
    low: float
    high: float
    n: int  # samples that it is of


def share(own: np.ndarray, swapped: np.ndarray, weights: np.ndarray | None = None) -> Share:
    """Return the share of the way that values (n, ...) have gone, by the weights (n, ...) of the values of each sample.

    A sample is left out where a number of its own, its other's, or its weights is NaN. The interval is of pairs, since both of a
    pair are of the same two samples. The share is NaN where nobody differs from his other, the interval of a single pair.
    """
    along, way = _products(own, swapped, weights)
    there = np.isfinite(along) & np.isfinite(way)
    sums = np.where(there, [along, way], 0.0).reshape(2, -1, 2).sum(axis=2)  # of each pair
    pairs = sums[:, there.reshape(-1, 2).any(axis=1)]
    return Share(float(_ratio(pairs.sum(axis=1))), *_interval(pairs), int(there.sum()))


def _products(own: np.ndarray, swapped: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """(2, n): how far each sample has gone towards its other, and the whole way, both times the way. A sample at a time is held."""
    found = []
    for i in range(len(own)):
        mine, others = (own[each].astype(np.float64) for each in (i, i ^ 1))
        way = others - mine
        weighted = way if weights is None else way * weights[i]
        found.append((((swapped[i] - mine) * weighted).sum(), (way * weighted).sum()))
    return np.array(found, dtype=np.float64).reshape(-1, 2).T


def _interval(pairs: np.ndarray) -> tuple[float, float]:
    """The interval of the slope of these pairs (2, pairs): by what each one's leaving out changes, and t."""
    (along, way), count = pairs, pairs.shape[1]
    if count < FEWEST or not way.max() < way.sum():
        return np.nan, np.nan  # of one pair, or one that alone differs, nothing tells how shares vary
    slope = along.sum() / way.sum()
    left = (along - slope * way) / (1 - way / way.sum())
    half = float(student.ppf((1 + LEVEL) / 2, count - 1) * np.linalg.norm(left) / way.sum())
    return float(slope - half), float(slope + half)


def _ratio(sums: np.ndarray) -> np.ndarray:
    along, way = sums
    return np.divide(along, way, out=np.full_like(along, np.nan), where=way > 0)


def of_scores(own: np.ndarray, swapped: np.ndarray) -> Share:
    """Return the share of the way that scores (n,) have gone; a sample without a score is left out, and so is its other."""
    return share(own, swapped)


def of_pixels(own: np.ndarray, swapped: np.ndarray, masks: np.ndarray | None = None) -> dict[str, Share]:
    """Return shares of images (n, H, W, C): of the image, and of its two regions where masks (n, H, W) of the unedited say them.

    A sample without a foreground, whose mask is NaN, has no background either.
    """
    found = {"image": share(own, swapped)}
    if masks is None:
        return found
    inside = masks.astype(np.float64)[..., None]
    regions = {"foreground": inside, "background": 1.0 - inside}
    return {**found, **{name: share(own, swapped, each) for name, each in regions.items()}}
