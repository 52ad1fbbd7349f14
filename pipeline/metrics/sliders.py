"""How good a slider a direction is: range, smoothness and preservation along its strengths (FreeSliders, arXiv 2511.00103).

With a(g) how much of a concept an image has at strength g, and d the distance of two images:

    conceptual range       a(g_max) - a(g_min): how far the slider goes (the mean of that by a concept and by its opposite)
    conceptual smoothness  standard deviation of the gaps of a between strengths that follow one another, a brought to 0 to 1 on
                           either side of 0: 0 where it goes in equal steps
    semantic preservation  mean of d(x_g, x_0) over strengths g that are not 0: 0 where nothing changes

The paper reads a from CLIP and d from LPIPS. Here a is a judge's score, in standard deviations of the attribute, and the opposite
of a concept is its score with the sign changed.

Shapes: S strengths, rising, 0 among them.
"""

import numpy as np


def conceptual_range(effects: np.ndarray) -> float:
    """Return how much more of its target the highest strength has than the lowest: effects (S,) of rising strengths.

    Below 0 of a slider that goes the wrong way.
    """
    return float(effects[-1] - effects[0])


def conceptual_smoothness(strengths: np.ndarray, effects: np.ndarray) -> float:
    """Return how far the steps of a slider are from equal: 0 are equal steps, and more is less smooth.

    strengths, effects: (S,). The paper's strengths are evenly spaced; here a gap is compared with the share of the way that its
    strengths are apart, which is the same where they are. A side with one strength, or on which nothing moves, says nothing; NaN
    where neither says anything.
    """
    sides = [_uneven(strengths * sense, effects * sense) for sense in (1, -1)]
    gaps = np.concatenate(sides)
    return float(np.sqrt(np.mean(gaps**2))) if len(gaps) else float("nan")


def _uneven(strengths: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """From 0 to the highest strength: each gap, as a share of all that the effect covers, less what an even slider has there."""
    side = strengths >= 0
    order = np.argsort(strengths[side])
    x, y = strengths[side][order], effects[side][order]
    covered = np.ptp(y)
    if len(x) < 3 or not covered > 0:
        return np.empty(0)
    gaps = np.diff(y) / covered
    return gaps - gaps.sum() * np.diff(x) / (x[-1] - x[0])


def semantic_preservation(strengths: np.ndarray, distances: np.ndarray) -> float:
    """Return the mean distance to the unedited images over the strengths (S,) that are not 0. NaN where none was measured."""
    known = distances[(strengths != 0) & np.isfinite(distances)]
    return float(known.mean()) if len(known) else float("nan")
