"""Linear heads: all attributes of images read off features at once, class-balanced, with what they are worth on images held out.

Shapes: n images, F features, A attributes, k folds.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import r2_score, roc_auc_score

from pipeline.batches import batches
from pipeline.estimators.dual import AnyArray, Array, moments
from pipeline.estimators.linear import REGULARISERS
from pipeline.estimators.newton_cg import Loss, solve
from pipeline.estimators.selection import folds
from pipeline.estimators.told import BY_CHANCE

FOLDS = 5  # the first is held out; of the others each has its turn where regularisers are chosen
FEWEST = 5  # labelled images of a side, in the folds that are fitted to and in the one that is held out
ROWS = 4096  # images whose features are float64 at a time
BINS = 10  # of probabilities, with equally many images each


@dataclass(frozen=True)
class Head:
    """What one head is worth on images that nothing was fitted to, and the numbers behind it."""

    attribute: str
    binary: bool
    n: int  # labelled images that it was fitted to
    positives: int  # of these; 0 where labels are no 0 and 1
    held_out: int  # labelled images that it was tried on
    held_out_positives: int
    auc: float  # NaN where labels are no 0 and 1
    calibration_error: float  # mean distance of a predicted probability from the share found; NaN as above
    r2: float  # of labels that are no 0 and 1; NaN otherwise

    @property
    def by_chance(self) -> float:
        """What `auc`, or `r2`, is at most in 99 of 100 cases where labels have nothing to do with the features.

        An AUC of a positives and b negatives that nothing was fitted to has the variance (a + b + 1) / (12 a b) (Mann and Whitney
        1947); a correlation of n has 1 / n, and R2 is no more than its square.
        """
        if not self.binary:
            return float(norm.isf(BY_CHANCE) ** 2 / self.held_out)
        a, b = self.held_out_positives, self.held_out - self.held_out_positives
        return float(0.5 + norm.isf(BY_CHANCE) * np.sqrt((a + b + 1) / (12 * a * b)))

    @property
    def above_chance(self) -> bool:
        """Whether the images held out are told better than by chance; what is not known is not."""
        return bool((self.auc if self.binary else self.r2) > self.by_chance)

    @property
    def prior(self) -> float:
        """The log odds of the attribute among the images that it was fitted to, which a balanced head leaves out."""
        return float(np.log(self.positives / (self.n - self.positives))) if self.binary else np.nan


@dataclass(frozen=True)
class Heads:
    """Scores are ((features - mean) / scale) @ coefficients.T + intercepts."""

    mean: Array  # (F,)
    scale: Array  # (F,)
    coefficients: Array  # (A, F)
    intercepts: Array  # (A,)

    def __call__(self, features: Array) -> Array:
        """Return scores (n, A) of features (n, F), float64."""
        return ((features - self.mean) / self.scale) @ self.coefficients.T + self.intercepts


def held_out(rows: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which images are held out, by their numbers: an image stays on its side when others are added."""
    return folds(rows, FOLDS) == 0


def lacking(labels: Array, binary: NDArray[np.bool_], rows: NDArray[np.integer]) -> dict[int, str]:
    """Why attributes cannot have a head, with the numbers, by column: labels (n, A), NaN where there are none."""
    out, found = held_out(rows), {}
    for a in range(labels.shape[1]):
        for part, what in ((~out, "fitted to"), (out, "held out")):
            y = labels[part, a]
            counts = [int((y > 0).sum()), int((y <= 0).sum())] if binary[a] else [int((~np.isnan(y)).sum())]
            if min(counts) < FEWEST:
                sides = f"{counts[0]:,} with it and {counts[1]:,} without" if binary[a] else f"{counts[0]:,} labelled"
                found[a] = f"of the images {what}, {sides}; {FEWEST} of each are needed"
                break
    return found


def fit(
    features: AnyArray, labels: Array, binary: NDArray[np.bool_], names: tuple[str, ...], rows: NDArray[np.integer]
) -> tuple[Heads, tuple[Head, ...]]:
    """Heads of all attributes: features (n, F), labels (n, A) with NaN where there are none, rows (n,) the images' numbers.

    Of 0 and 1, a logistic regression in which both weigh the same, so that 0 is where either is as likely among as many of each;
    of other numbers, ridge regression. Each has the regulariser that does best on folds held out of those that are fitted to.
    """
    out, fold = held_out(rows), folds(rows, FOLDS)
    order = np.argsort(fold, kind="stable")[out.sum() :]  # those that are fitted to, fold by fold
    mean, scale = moments(features[order])
    z, axes = _rotated(features, order, mean, scale)
    coefficients, intercepts = np.zeros((len(names), z.shape[1])), np.zeros(len(names))
    losses: tuple[tuple[Loss, NDArray[np.bool_]], ...] = (("logistic", binary), ("squared", ~binary))
    for loss, of in losses:
        if of.any():
            coefficients[of], intercepts[of] = _fitted(z, labels[order][:, of], fold[order], loss)
    heads = Heads(mean, scale, coefficients @ axes.T, intercepts)
    scores = np.concatenate([heads(features[some]) for some in batches(len(features), ROWS)])
    columns = zip(names, binary, labels.T, scores.T, strict=True)
    return heads, tuple(_quality(name, bool(of), y, score, out) for name, of, y, score in columns)


def _rotated(features: AnyArray, order: NDArray[np.intp], mean: Array, scale: Array) -> tuple[Array, Array]:
    """Standardised features (n, F) float64 of some images along axes (F, F), among which the solver is fast; and these axes."""

    def standardised(some: slice) -> Array:
        return (features[order[some]] - mean) / scale

    parts = list(batches(len(order), ROWS))
    _, axes = np.linalg.eigh(sum((x.T @ x for x in map(standardised, parts)), np.zeros((len(mean), len(mean)))))
    z = np.empty((len(order), len(mean)))
    for some in parts:
        np.matmul(standardised(some), axes, out=z[some])
    return z, axes


def _fitted(z: Array, y: Array, fold: NDArray[np.intp], loss: Loss) -> tuple[Array, Array]:
    """Coefficients (A, F) and intercepts (A,) of labels (n, A), which are of one kind. Images are in the order of their folds."""
    weights = _balanced(y) if loss == "logistic" else np.ones_like(y)
    grid = np.array(REGULARISERS) / float(np.vdot(z, z) / len(z))
    A = y.shape[1]
    risk = np.zeros((A, len(grid)))
    a, c = (each.ravel() for each in np.meshgrid(np.arange(A), np.arange(len(grid)), indexing="ij"))
    for k in range(1, FOLDS):  # a fold after the other: all of them together would be as many columns of labels again
        w, b = solve(z, y[:, a], weights[:, a] * (fold[:, None] != k), grid[c], loss)
        held = slice(*np.searchsorted(fold, (k, k + 1)))
        f, truth, known = z[held] @ w.T + b, y[held][:, a], ~np.isnan(y[held][:, a])
        each = np.logaddexp(0, f) - truth * f if loss == "logistic" else (truth - f) ** 2 / 2
        risk[a, c] += np.where(known, weights[held][:, a] * each, 0).sum(axis=0)
    return solve(z, y, weights, grid[np.nan_to_num(risk, nan=np.inf).argmin(axis=1)], loss)


def _balanced(y: Array) -> Array:
    """Weights (n, A) by which 0 and 1 count the same in sum, and all together as many as are labelled."""
    positives, negatives = (y > 0).sum(axis=0), (y <= 0).sum(axis=0)
    both = (positives + negatives) / 2
    return np.where(y > 0, both / np.maximum(positives, 1), both / np.maximum(negatives, 1))


def _quality(name: str, binary: bool, y: Array, score: Array, out: NDArray[np.bool_]) -> Head:
    known = ~np.isnan(y)
    fitted, tried = y[known & ~out], known & out
    positives = int((fitted > 0).sum()) if binary else 0
    truth, f = y[tried], score[tried]
    counts = (len(fitted), positives, len(truth), int((truth > 0).sum()) if binary else 0)
    if not binary:
        return Head(name, binary, *counts, np.nan, np.nan, float(r2_score(truth, f)))
    probability = 1 / (1 + np.exp(-(f + np.log(positives / (len(fitted) - positives)))))
    return Head(name, binary, *counts, float(roc_auc_score(truth, f)), calibration_error(truth, probability), np.nan)


def calibration_error(truth: Array, probability: Array) -> float:
    """Return how far predicted probabilities (n,) are from the shares found (n,), a mean over `BINS` bins of as many images.

    Images of equal probability have the share of all of them, whichever bins they come into.
    """
    truth = pd.Series(truth).groupby(probability).transform("mean").to_numpy()
    bins = np.array_split(np.argsort(probability, kind="stable"), min(BINS, len(truth)))
    return float(sum(len(each) * abs(truth[each].mean() - probability[each].mean()) for each in bins) / len(truth))
