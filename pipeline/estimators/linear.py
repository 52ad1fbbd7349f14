"""Supervised directions: Eq. 11's difference of means, discriminants, and linear classifiers, of many attributes at once.

An estimator takes z, coordinates of the span of standardised h (`pipeline.estimators.dual`), the scores of all attributes, and
weights of the samples, one column a resample: all ones, and those of halves. It returns vectors in these
coordinates, one a resample and attribute, and `v = dual.combine(w @ weights, h, mean, std)` is a vector w among the D
standardised features. In the units of h it is

    v * std   where it is a displacement, how h moves with the score: differences, discriminants
    v / std   where it is a normal, along which the score is read off h: classifiers, refit

A missing score (NaN) leaves the sample out: of that attribute, or of what takes all scores jointly.
`pipeline.estimators.statistics` makes displacements from running sums instead, for as many samples as one likes.

Shapes: n samples, D = C*H*W numbers of one step, A attributes, r coordinates, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.batches import batches
from pipeline.estimators import dual
from pipeline.estimators.dual import AnyArray, Array
from pipeline.estimators.newton_cg import TOLERANCE, Loss, Rows, inverse, solve
from pipeline.estimators.selection import Selection

CONSTANT = 1e-12  # of the sum of squares: scores that scatter less do not vary, but for rounding
COLLINEAR = 1e-9  # of the largest eigenvalue: below it, scores say no more than others do
EXHAUSTED = 1e-6  # share of the variance of h below which nothing is left but rounding
REGULARISERS = (1e-1, 1e0, 1e1, 1e2, 1e3)  # C to choose from, in units of 1 / (mean squared length of a sample)


# Displacements: how h moves


def mean_difference(h: Array, selection: Selection) -> Array:
    """Eq. 11: v = 1/n sum (q+ - q-). h (samples, D) -> v (D,), float64."""
    return np.concatenate([_difference(h[:, at], selection) for at in batches(h.shape[1], dual.WIDE)])


def _difference(h: Array, selection: Selection) -> Array:
    positives = h[selection.positives].mean(axis=0, dtype=np.float64)
    return positives - h[selection.negatives].mean(axis=0, dtype=np.float64)


def difference_weights(selections: Sequence[Selection], weights: Array) -> Array:
    """Eq. 11 as weights of the samples: weights (n, R) -> (R, A, n), whose product with h, or with z, are the differences.

    The selections are those of all samples, whatever the weights. NaN where a resample has none of the positives or negatives.
    """
    result = np.zeros((weights.shape[1], len(selections), len(weights)))
    for a, selection in enumerate(selections):
        for rows, sign in ((selection.positives, 1), (selection.negatives, -1)):
            with np.errstate(invalid="ignore"):
                result[:, a, rows] = sign * (weights[rows] / weights[rows].sum(axis=0)).T
    return result


def discriminants(z: AnyArray, scores: Array, shrinkage: float, weights: Array | None = None) -> Array:
    """How h moves when one of the scores rises alone, weighed against how h varies anyway.

    z (n, r), scores (n, A), weights (n, R) -> displacements (R, A, r).

    Fisher's discriminants, for scores that need not be classes. Least squares on all scores at once gives each one's pattern
    B in h, with the others held fixed, and what is left of h the covariance S within. The direction is S_s^-1 B, where
    S_s = (1 - s) S + s I with s the shrinkage, and S scaled to the trace that the whole covariance of z has (D, where h is
    standardised): s = 1 is the pattern alone, an adjusted difference of means; near 0, what h varies in anyway is avoided.
    NaN where a resample has so few samples that the scores explain h entirely, and there is no S.
    """
    rows = Rows.of(z)
    missing = np.isnan(scores).any(axis=1, keepdims=True)  # (n, 1)
    w = rows.tensor(np.where(missing, 0, np.ones((len(z), 1)) if weights is None else weights))
    y = rows.tensor(np.where(missing, 0, scores))

    centred = y[:, None] - ((w.T @ y) / w.sum(0)[:, None])  # (n, R, A)
    weighted = w[:, :, None] * centred
    G = torch.einsum("nra,nrb->rab", weighted, centred)
    cross = (rows.z.T @ weighted.flatten(1)).unflatten(1, weighted.shape[1:])  # (r, R, A)
    B = torch.einsum("rab,krb->rak", pseudo_inverse(G, w.T @ y.square()), cross)
    if shrinkage == 1:
        return dual.numpy(B)

    lengths = rows.z.square().sum(1)  # (n,)
    whole = w.T @ lengths - (w.T @ rows.z).square().sum(1) / w.sum(0)
    within = whole - torch.einsum("rak,rab,rbk->r", B, G, B)
    # S = unit * sum w (z - mean)(z - mean)^T - unit * B^T G B
    exhausted = within <= EXHAUSTED * whole
    unit = (
        (1 - shrinkage) * lengths.mean() / torch.where(exhausted, whole, within)
    )  # (R,), S = unit * sum w (z - mean)(z - mean)^T - unit * B^T G B

    q = (unit * w).repeat_interleave(y.shape[1], dim=1)
    X = inverse(
        rows, q, shrinkage, B.flatten(0, 1).T, 1e-3 * TOLERANCE
    )  # by the first term alone; Woodbury has the second
    X = X.T.unflatten(0, B.shape[:2])
    second = unit[:, None, None] * (B @ X.mT) @ G
    solved = torch.linalg.solve(torch.eye(y.shape[1]).to(second) - second, X)
    return dual.numpy(torch.where(exhausted[:, None, None], torch.nan, solved))


def pseudo_inverse(G: Tensor, squares: Tensor) -> Tensor:
    """Return the pseudo-inverse of scatter matrices of scores (..., A, A), each score in units of its own spread.

    squares (..., A): the scores' sums of squares, beside which it is told whether one varies at all. One that does not has zeros,
    and of several that are the same in other units each has its share.
    """
    scatter = G.diagonal(dim1=-2, dim2=-1)
    unit = torch.where(scatter > CONSTANT * squares, scatter, torch.inf).rsqrt()
    units = unit[..., :, None] * unit[..., None, :]
    return units * torch.linalg.pinv(units * G, hermitian=True, rtol=COLLINEAR)


# Normals: how the score is read off h


@dataclass(frozen=True)
class Classifiers:
    """Linear classifiers, one an attribute, each with the regulariser that did best on samples held out."""

    coefficients: Array  # (A, r) normals, in coordinates
    intercepts: Array  # (A,)
    C: Array  # (A,) chosen
    held_out: (
        Array  # (n, A) decision of each sample by a classifier that was fitted without its fold, and chosen without it
    )


def classifiers(
    z: AnyArray, y: Array, folds: NDArray[np.intp], loss: Loss, C: Sequence[float] | None = None
) -> Classifiers:
    """L2-regularised linear classifiers of all attributes: z (n, r), y (n, A), folds (n,) as `selection.folds` gives them.

    "logistic" tells y = 1 from y = 0 (see `selection.sides`); "squared" (ridge) predicts y, which suits continuous scores. C is
    scikit-learn's, for both: |w|^2 / 2 + C sum_i loss_i is minimised, with (y - f)^2 / 2 as squared loss, so that Ridge's alpha
    is 1 / C. Each attribute gets the one with the least mean loss on folds held out; the decisions on a fold are made with the one
    that has the least on the other folds. The default is REGULARISERS in units of 1 / mean |z_i|^2, and so the same whatever D and
    the number of steps are.

    Raises ValueError, with the numbers, if y does not vary among the samples outside some fold.
    """
    grid = np.array(REGULARISERS) / float((z**2).sum(1).mean()) if C is None else np.array(C)
    k, (n, A) = int(folds.max()) + 1, y.shape
    outside = (folds[:, None] != np.arange(k)).astype(np.float64)  # (n, k)

    a, fold, c = (axis.ravel() for axis in np.meshgrid(np.arange(A), np.arange(k), np.arange(len(grid)), indexing="ij"))
    coefficients, intercepts = solve(z, y[:, a], outside[:, fold], grid[c], loss)
    for column in np.flatnonzero(np.isnan(intercepts)):
        _refuse(y[:, a[column]], int(a[column]), k)
    f = _decisions(z, coefficients, intercepts).reshape(n, A, k, len(grid))
    f = f[np.arange(n), :, folds]  # (n, A, C): each sample by the classifiers that were fitted without its fold

    losses = np.nan_to_num(_losses(y[:, :, None], f, loss))
    of_folds = np.stack([losses[folds == fold].sum(axis=0) for fold in range(k)])  # (k, A, C)
    best = of_folds.sum(axis=0).argmin(axis=1)
    others = (of_folds.sum(axis=0) - of_folds).argmin(axis=2)  # (k, A)
    coefficients, intercepts = solve(z, y, np.ones((n, A)), grid[best], loss)
    held_out = np.take_along_axis(f, others[folds][:, :, None], axis=2)[:, :, 0]
    return Classifiers(coefficients, intercepts, grid[best], held_out)


def refit(z: AnyArray, y: Array, loss: Loss, C: Array, weights: Array) -> Array:
    """Classifiers with regularisers C (A,), of resamples: z (n, r), y (n, A), weights (n, R) -> normals (R, A, r).

    NaN where y does not vary within a resample.
    """
    R, A = weights.shape[1], y.shape[1]
    normals, _ = solve(z, np.tile(y, R), np.repeat(weights, A, axis=1), np.tile(C, R), loss)
    return normals.reshape(R, A, -1)


def _decisions(z: AnyArray, coefficients: Array, intercepts: Array) -> Array:
    rows = torch.as_tensor(z)
    return dual.numpy(rows @ torch.as_tensor(coefficients.T, device=rows.device)) + intercepts


def _losses(y: Array, f: Array, loss: Loss) -> Array:
    return np.logaddexp(0, f) - y * f if loss == "logistic" else (y - f) ** 2 / 2


def _refuse(y: Array, attribute: int, k: int) -> None:
    values, counts = np.unique(y[np.flatnonzero(~np.isnan(y))], return_counts=True)
    found = " and ".join(f"{count} of {value:g}" for value, count in zip(values[:3], counts, strict=False)) or "none"
    raise ValueError(
        f"Attribute {attribute} has the labels {found}: outside one of {k} folds they are all alike.\n"
        "Add samples, or leave the attribute out."
    )
