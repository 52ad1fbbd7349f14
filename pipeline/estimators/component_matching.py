"""Matches the components of every step into directions of whole trajectories: component j of one step need not be that of the next.

The paper takes the j-th component of every step and aligns signs. But components are ordered by variance, and variances cross. Two
components at two steps are the same where they give the same samples the same scores; `match` follows them by that.

Shapes: T steps, n samples, K candidates a step, k wanted directions, D = C*H*W.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Array = NDArray[np.floating]
Integers = NDArray[np.int64]

# Chosen on planted tracks (24 that drift, cross and tie, 30 steps, 400 samples): of the steps of the first eight, the paper's order
# has .29 right, pairing neighbours only .55, and remembering as below .95.
CLEAR = 0.8  # correlation from which a track's memory takes up what was found; two that tie for a step are found at .7
MEMORY = 0.8  # share of what is remembered that is older than the last step
FOUND = 0.5  # correlation below which a track counts as not found
AS_GOOD = 0.98  # of the best: a step to begin with


def align_signs(steps: Iterable[np.ndarray]) -> np.ndarray:
    """Components of all steps, (k, D) each -> (k, T, D), each flipped to agree with its own step 0: the paper's way.

    One that is zero there, because h has fewer dimensions, agrees with the first step at which it is not.
    """
    stacked = np.stack(list(steps), axis=1)
    first = stacked.any(axis=2).argmax(axis=1)
    cosines = np.einsum("ktd,kd->kt", stacked, stacked[np.arange(len(stacked)), first])
    return stacked * np.where(cosines < 0, -1, 1)[:, :, None].astype(stacked.dtype)


def match(scores: Array, k: int) -> tuple[Integers, Integers]:
    """Which component of a step continues which: scores (T, n, K) of the same samples -> order (T, k), sign (T, k).

    Direction j takes at step t the candidate order[t, j], times sign[t, j]. The sign is 0 where no candidate is its own
    (a correlation under 0.5), so that an edit leaves h alone there rather than push along something else. Directions are ordered by
    the variance of their scores, summed over the steps. With K > k, a track is not lost where it is not among the first k.

    It begins where neighbouring steps agree best, and goes both ways from there: at the noisiest steps h has little of what is to
    come, and a chain from step 0 would follow noise. Each track remembers its scores, fading over the steps, and candidates are
    given out so that the absolute correlations with what is remembered are largest in sum. What is found weakly is not taken up,
    so that a track is itself again after a step where it tied with another, or was missing.
    Raises ValueError if there are fewer than k candidates.
    """
    T, _, K = scores.shape
    if not 1 <= k <= K:
        raise ValueError(f"{k} directions of {K} candidates a step: expected 1 to {K}.")
    unit = _standardised(scores)
    start = _beginning(unit, scores)
    order = np.tile(np.arange(K), (T, 1))
    sign = np.ones((T, K), np.int64)
    for steps in (range(start + 1, T), range(start - 1, -1, -1)):
        remembered = unit[start]
        for t in steps:
            order[t], found = _assigned(remembered, unit[t])
            sign[t] = np.where(np.abs(found) < FOUND, 0, np.sign(found))
            remembered = _remember(remembered, unit[t][:, order[t]], found)

    variance = np.take_along_axis(scores.var(axis=1), order, axis=1) * np.abs(sign)
    largest = np.argsort(-variance.sum(axis=0), kind="stable")[:k]
    return order[:, largest], sign[:, largest]


def _standardised(scores: Array) -> Array:
    """Centred scores of length 1: their products are correlations."""
    return _unit(scores.astype(np.float64) - scores.mean(axis=1, keepdims=True, dtype=np.float64))


def _unit(scores: Array) -> Array:
    """Scores (..., n, K) of length 1 over the samples; zero where a candidate does not vary."""
    length = np.linalg.norm(scores, axis=-2, keepdims=True)
    return scores / np.where(length == 0, 1, length)


def _beginning(unit: Array, scores: Array) -> int:
    """The step whose candidates both neighbours know best; of several about as good, the one with most variance."""
    if len(unit) == 1:
        return 0
    links = [np.abs(_assigned(one, next_one)[1]).mean() for one, next_one in pairwise(unit)]
    known = np.minimum([links[0], *links], [*links, links[-1]])
    return int(np.argmax(np.where(known >= AS_GOOD * known.max(), scores.var(axis=1).sum(axis=1), -1)))


def _assigned(tracks: Array, candidates: Array) -> tuple[Integers, Array]:
    """Return the candidate (n, K) that belongs to each of the tracks (n, K), and the correlation of the two."""
    correlations = tracks.T @ candidates
    rows, columns = linear_sum_assignment(-np.abs(correlations))
    return columns, correlations[rows, columns]


def _remember(remembered: Array, seen: Array, found: Array) -> Array:
    """What tracks remember (n, K), with what was clearly found taken up."""
    news = np.where(np.abs(found) >= CLEAR, np.sign(found), 0) * seen
    return _unit(MEMORY * remembered + (1 - MEMORY) * news)
