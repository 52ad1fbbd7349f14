"""Linear heads: all attributes of images read off features at once, class-balanced, with what they are worth on images held out.

Shapes: n images, F features, A attributes, k folds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import r2_score, roc_auc_score

from pipeline.estimators.dual import Array, moments
from pipeline.estimators.linear import REGULARISERS
from pipeline.estimators.newton_cg import Loss, solve
from pipeline.estimators.selection import folds

FOLDS = 5  # the first is held out; of the others each has its turn where regularisers are chosen
FEWEST = 5  # labelled images of a side, in the folds that are fitted to and in the one that is held out
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
    features: Array, labels: Array, binary: NDArray[np.bool_], names: tuple[str, ...], rows: NDArray[np.integer]
) -> tuple[Heads, tuple[Head, ...]]:
    """Heads of all attributes: features (n, F), labels (n, A) with NaN where there are none, rows (n,) the images' numbers.

    Of 0 and 1, a logistic regression in which both weigh the same, so that 0 is where either is as likely among as many of each;
    of other numbers, ridge regression. Each has the regulariser that does best on folds held out of those that are fitted to.
    """
    out, fold = held_out(rows), folds(rows, FOLDS)
    mean, scale = moments(features[~out])
    z = (features - mean) / scale
    _, axes = np.linalg.eigh(z[~out].T @ z[~out])  # among which the solver is fast
    z = z @ axes
    coefficients, intercepts = np.zeros((len(names), z.shape[1])), np.zeros(len(names))
    losses: tuple[tuple[Loss, NDArray[np.bool_]], ...] = (("logistic", binary), ("squared", ~binary))
    for loss, of in losses:
        if of.any():
            coefficients[of], intercepts[of] = _fitted(z[~out], labels[~out][:, of], fold[~out], loss)
    heads = Heads(mean, scale, coefficients @ axes.T, intercepts)
    scores = heads(features)
    columns = zip(names, binary, labels.T, scores.T, strict=True)
    return heads, tuple(_quality(name, bool(of), y, score, out) for name, of, y, score in columns)


def _fitted(z: Array, y: Array, fold: NDArray[np.intp], loss: Loss) -> tuple[Array, Array]:
    """Coefficients (A, F) and intercepts (A,) of labels (n, A), which are of one kind."""
    weights = _balanced(y) if loss == "logistic" else np.ones_like(y)
    grid = np.array(REGULARISERS) / float((z**2).sum(1).mean())
    A = y.shape[1]
    risk = np.zeros((A, len(grid)))
    every = np.arange(1, FOLDS)
    a, k, c = (each.ravel() for each in np.meshgrid(np.arange(A), every, np.arange(len(grid)), indexing="ij"))
    w, b = solve(z, y[:, a], weights[:, a] * (fold[:, None] != k), grid[c], loss)
    for column in range(len(a)):
        rows = np.flatnonzero((fold == k[column]) & ~np.isnan(y[:, a[column]]))
        f, truth = z[rows] @ w[column] + b[column], y[rows, a[column]]
        each = np.logaddexp(0, f) - truth * f if loss == "logistic" else (truth - f) ** 2 / 2
        risk[a[column], c[column]] += float((weights[rows, a[column]] * each).sum())
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
    """Return how far predicted probabilities (n,) are from the shares found (n,), a mean over `BINS` bins of as many images."""
    bins = np.array_split(np.argsort(probability, kind="stable"), min(BINS, len(truth)))
    return float(sum(len(each) * abs(truth[each].mean() - probability[each].mean()) for each in bins) / len(truth))
