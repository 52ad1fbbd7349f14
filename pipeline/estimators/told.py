"""What decisions on held-out samples are worth: how well h tells an attribute, and whether better than chance would.

A fold is decided by a classifier that was fitted without it, and another fold by another one, whose decisions have another zero: on
noise, each is a little below what its own fold holds too much of. So decisions are compared within folds, and never across: pooled
over folds, labels that have nothing to do with h get an AUC of .3 to .44.

Shapes: n samples, T steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from sklearn.metrics import r2_score

from pipeline.estimators.newton_cg import Loss
from pipeline.estimators.selection import Array, Selection

Bools = NDArray[np.bool_]
Folds = NDArray[np.intp]

BY_CHANCE = 0.01  # how often labels that have nothing to do with h may pass for some that have


@dataclass(frozen=True)
class Quality:
    """What decisions on held-out samples are worth; NaN where there is nothing to compare."""

    auc_extremes: float  # of the positives and negatives of a selection: of those whose scores lie farthest apart
    auc_all: float  # of all samples above the threshold and all others; NaN where there is no threshold
    rank_correlation: float  # with the scores of all samples
    r2: float  # of predicting the score; NaN for decisions of a logistic classifier, which do not
    accuracy: float  # share put on their own side of those who are neither positives nor negatives
    by_chance: float  # what `told` gets by chance at most, in 99 of 100 cases

    @property
    def told(self) -> float:
        """How well all samples are told: `auc_all`, or where there is no threshold `rank_correlation`."""
        return self.rank_correlation if np.isnan(self.auc_all) else self.auc_all


def quality(
    held_out: Array, scores: Array, selection: Selection, fold: Folds, loss: Loss, threshold: float = 0.0
) -> Quality:
    """Return how well held-out decisions tell one attribute.

    held_out (n,) comes from `linear.Classifiers`, of these folds (n,); scores (n,) are NaN where missing; threshold is as in
    `selection.sides`.
    """
    scored = ~np.isnan(scores)
    border = float(np.median(scores[scored])) if np.isnan(threshold) else threshold
    above, decided = scores > border, held_out > (0 if loss == "logistic" else border)
    chosen = np.zeros((2, len(scores)), bool)
    chosen[0, selection.positives] = chosen[1, selection.negatives] = True
    others = scored & ~chosen.any(axis=0)

    of_all = np.nan if np.isnan(threshold) else auc_within(held_out, above & scored, ~above & scored, fold)
    by_rank = np.isnan(of_all)
    return Quality(
        auc_extremes=auc_within(held_out, chosen[0], chosen[1], fold),
        auc_all=of_all,
        rank_correlation=rank_correlation_within(held_out, scores, fold),
        r2=float(r2_score(scores[scored], held_out[scored])) if loss == "squared" else np.nan,
        accuracy=float((above == decided)[others].mean()) if others.any() else np.nan,
        by_chance=rank_by_chance(scores, fold) if by_rank else auc_by_chance(above & scored, ~above & scored, fold),
    )


def auc_within(decisions: Array, positives: Bools, negatives: Bools, fold: Folds) -> float:
    """Area under the ROC curve, a mean over the folds: of the pairs of a positive and a negative of one fold, the share in order.

    decisions, fold (n,); positives, negatives (n,) bool. A fold counts by its pairs. NaN where no fold has any.
    """
    ordered = pairs = 0.0
    for rows, a, b in _folds(positives, negatives, fold):
        ordered += rankdata(decisions[rows])[positives[rows]].sum() - a * (a + 1) / 2
        pairs += a * b
    return ordered / pairs if pairs else np.nan


def auc_by_chance(positives: Bools, negatives: Bools, fold: Folds) -> float:
    """Return what `auc_within` is at most, in 99 of 100 cases, where the labels have nothing to do with h.

    Of a positives and b negatives in a fold, and decisions made without them, the number of pairs in order has the variance
    a b (a + b + 1) / 12 (Mann and Whitney 1947). But folds do not vary each on its own: how one agrees with another counts twice,
    in the decisions on either. Of decisions that are linear in the labels y, what counts is y^T M y with no M_ij within a fold. Its
    variance is the sum of M_ij^2 + M_ij M_ji: by Cauchy and Schwarz at most twice that of folds on their own. So twice is allowed.
    NaN where no fold has a pair.
    """
    variance = pairs = 0.0
    for _, a, b in _folds(positives, negatives, fold):
        variance += a * b * (a + b + 1) / 12
        pairs += a * b
    return 0.5 + _quantile() * np.sqrt(variance) / pairs if pairs else np.nan


def rank_correlation_within(decisions: Array, scores: Array, fold: Folds) -> float:
    """Spearman's rank correlation of decisions and scores (n,), NaN where missing: a mean over the folds by their samples.

    NaN where no fold has scores that differ.
    """
    total = weight = 0.0
    for rows in _scored(scores, fold):
        x, y = (rankdata(each[rows]) - (len(rows) + 1) / 2 for each in (decisions, scores))
        length = np.sqrt((x @ x) * (y @ y))
        if y.any():
            total += (len(rows) - 1) * (x @ y / length if length else 0.0)
            weight += len(rows) - 1
    return total / weight if weight else np.nan


def rank_by_chance(scores: Array, fold: Folds) -> float:
    """Return what `rank_correlation_within` is at most, in 99 of 100 cases, by chance, as `auc_by_chance` does.

    A fold of m samples has the variance 1 / (m - 1).
    """
    weight = sum(len(rows) - 1 for rows in _scored(scores, fold) if np.ptp(scores[rows]))
    return _quantile() / np.sqrt(weight) if weight else np.nan


def above_chance(told: Array, by_chance: float) -> bool:
    """Whether an attribute is told better than by chance: by the mean of `Quality.told` over the steps, (T,).

    Steps say much the same, and a mean of them varies no more than each. What has no limit is not.
    """
    return bool(np.mean(told) > by_chance)


def _quantile() -> float:
    return float(np.sqrt(2) * norm.isf(BY_CHANCE))


def _folds(positives: Bools, negatives: Bools, fold: Folds) -> Iterator[tuple[NDArray[np.intp], int, int]]:
    """The rows of each fold that has both, and how many it has of either."""
    for k in np.unique(fold):
        rows = np.flatnonzero((fold == k) & (positives | negatives))
        a, b = int(positives[rows].sum()), int(negatives[rows].sum())
        if a and b:
            yield rows, a, b


def _scored(scores: Array, fold: Folds) -> Iterator[NDArray[np.intp]]:
    """The rows of each fold that have a score, where there are two or more."""
    for k in np.unique(fold):
        rows = np.flatnonzero((fold == k) & ~np.isnan(scores))
        if len(rows) > 1:
            yield rows
