"""Which samples stand for an attribute: its positives and negatives, its two sides, and the folds that are held out.

What is taken depends on the scores alone, and what is drawn on the ids of the samples: a sample keeps its fold, and every other
number that was drawn for it, when others are added. A missing score (NaN) is on no side.

Shapes: n samples (of `select`: positives, and as many negatives), A attributes, k other attributes or folds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import shake_256

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Thresholds = Sequence[float] | Array  # (A,)


@dataclass(frozen=True)
class Selection:
    """The positives and negatives of one attribute: rows of the samples, most typical first."""

    positives: NDArray[np.intp]  # (n,)
    negatives: NDArray[np.intp]  # (n,)
    threshold_positive: float  # lowest score among the positives
    threshold_negative: float  # highest score among the negatives

    @classmethod
    def of(cls, scores: Array, positives: NDArray[np.intp], negatives: NDArray[np.intp]) -> "Selection":
        return cls(positives, negatives, float(scores[positives].min()), float(scores[negatives].max()))


def select(scores: Array, n: int, strata: NDArray[np.intp] | None = None) -> Selection:
    """The n highest and the n lowest of scores (samples,); missing scores (NaN) are left out, ties broken by row.

    With strata (samples,), the cell of each sample (-1: left out; see `strata`), the two sides are matched: every cell gives as
    many positives as negatives, so that what makes the cells is the same on both sides. Within a cell the highest score is paired
    with the lowest, the second highest with the second lowest, and so on, while one lies in the upper and the other in the lower
    half of all scores; the n pairs farthest apart, in ranks, are taken. A cell that lacks one side has no pair and gives nothing.
    Row i of the positives and row i of the negatives are a pair.

    Raises ValueError if fewer than 2n scores are there, or fewer than n pairs.
    """
    scored = np.flatnonzero(~np.isnan(scores))
    if n < 1 or len(scored) < 2 * n:
        raise ValueError(
            f"{n} positives and {n} negatives need at least {2 * n} scored samples and n >= 1; there are {len(scored)}."
        )
    ordered = scored[np.argsort(scores[scored], kind="stable")]
    if strata is None:
        return Selection.of(scores, ordered[::-1][:n], ordered[:n])
    positives, negatives = _pairs(ordered, scores, strata)
    if len(positives) < n:
        cells = len(np.unique(strata[strata >= 0]))
        raise ValueError(
            f"Within {cells} cells of samples alike in other attributes there are {len(positives)} pairs of a positive and a "
            f"negative, and {n} are needed.\nAsk for fewer, match fewer attributes, or add samples."
        )
    return Selection.of(scores, positives[:n], negatives[:n])


def strata(others: Array, thresholds: Thresholds | None = None) -> NDArray[np.intp]:
    """Cells of samples that agree in other attributes: others (samples, k) scores -> (samples,) numbers, -1 if one is missing.

    Each attribute splits the samples in two: at its threshold (None: 0, where a logit changes its mind) if at least a twentieth
    lie on either side, and else, or where the threshold is NaN, at the median. k attributes make up to 2^k cells: match the few
    that matter.
    """
    cells = np.zeros(len(others), np.intp)
    borders = np.zeros(others.shape[1]) if thresholds is None else np.asarray(thresholds)
    for k, (scores, threshold) in enumerate(zip(others.T, borders, strict=True)):
        above = np.mean(scores[~np.isnan(scores)] > threshold)
        cells += (scores > (threshold if 0.05 <= above <= 0.95 else np.nanmedian(scores))).astype(np.intp) << k
    return np.where(np.isnan(others).any(axis=1), -1, cells)


def _pairs(
    ordered: NDArray[np.intp], scores: Array, strata: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All pairs of a positive and a negative of the same cell, those farthest apart in rank first. ordered: rows by score."""
    half = len(ordered) // 2
    high, low = ordered[::-1][:half], ordered[:half]
    ranks = np.empty(len(scores), np.intp)
    ranks[ordered] = np.arange(len(ordered))

    pairs = [np.empty((0, 2), np.intp)]
    for cell in np.unique(strata[strata >= 0]):
        positives, negatives = high[strata[high] == cell], low[strata[low] == cell]
        both = min(len(positives), len(negatives))
        pairs.append(np.stack([positives[:both], negatives[:both]], axis=1))
    positive, negative = np.concatenate(pairs).T

    gap = np.where(scores[positive] > scores[negative], ranks[positive] - ranks[negative], 0)
    order = np.argsort(-gap, kind="stable")[: np.count_nonzero(gap)]
    return positive[order], negative[order]


def sides(scores: Array, thresholds: Thresholds | None = None) -> Array:
    """Return 1 for scores (n, A) above their threshold (A,), 0 for others, NaN for missing ones.

    None is 0, where a logit changes its mind; a threshold of NaN, of a score that knows no such border, is the median.
    """
    borders = np.zeros(scores.shape[1]) if thresholds is None else np.asarray(thresholds)
    borders = np.where(np.isnan(borders), np.nanmedian(scores, axis=0), borders)
    return np.where(np.isnan(scores), np.nan, scores > borders)


def uniform(purpose: str, sample_ids: Sequence[int] | NDArray[np.integer], count: int = 1) -> Array:
    """Numbers in (0, 1) that belong to a sample and a purpose alone, whatever other samples there are: (n, count)."""
    digests = b"".join(shake_256(f"{purpose}/{int(one)}".encode()).digest(4 * count) for one in sample_ids)
    return (np.frombuffer(digests, "<u4").reshape(len(sample_ids), count) + 0.5) / 2**32


def folds(sample_ids: Sequence[int] | NDArray[np.integer], k: int) -> NDArray[np.intp]:
    """The fold of each sample, 0..k-1, by a hash of its id: a sample stays in its fold when others are added. (n,)"""
    return (uniform("fold", sample_ids)[:, 0] * k).astype(np.intp)
