"""Supervised directions: Eq. 11's difference of means, discriminants, and linear classifiers, of many attributes at once.

An estimator takes z, coordinates of the span of standardised h (`pipeline.span`), the scores of all attributes, and weights of
the samples, one column a resample: all ones, the 0/1 of a half, a bootstrap's. It returns vectors in these coordinates, one a
resample and attribute, and `v = span.combine(w @ weights, h, mean, std)` is a vector w among the D standardised features. In the
units of h it is

    v * std   where it is a displacement, how h moves with the score: differences, discriminants
    v / std   where it is a normal, along which the score is read off h: classifiers, refit

`ClassSums` makes displacements from running sums instead, for as many samples as one likes. A missing score (NaN) leaves the
sample out: of that attribute, or of what takes all scores jointly.

Shapes: n samples, D = C*H*W numbers of one step, A attributes, r coordinates, R resamples, m problems.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import shake_256
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import r2_score, roc_auc_score
from torch import Tensor
from torch.nn.functional import softplus

from pipeline import span
from pipeline.span import AnyArray

Array = NDArray[np.floating]
Loss = Literal["logistic", "squared"]
Thresholds = Sequence[float] | Array  # (A,)

TOLERANCE = 1e-6  # of a fit, relative to its length
REGULARISERS = (1e-1, 1e0, 1e1, 1e2, 1e3)  # C to choose from, in units of 1 / (mean squared length of a sample)
PROBLEMS = 512  # solved at a time


# Which samples


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


def uniform(purpose: str, sample_ids: Sequence[int] | NDArray[np.integer], count: int = 1) -> Array:
    """Numbers in (0, 1) that belong to a sample and a purpose alone, whatever other samples there are: (n, count)."""
    digests = b"".join(shake_256(f"{purpose}/{int(one)}".encode()).digest(4 * count) for one in sample_ids)
    return (np.frombuffer(digests, "<u4").reshape(len(sample_ids), count) + 0.5) / 2**32


def folds(sample_ids: Sequence[int] | NDArray[np.integer], k: int) -> NDArray[np.intp]:
    """The fold of each sample, 0..k-1, by a hash of its id: a sample stays in its fold when others are added. (n,)"""
    return (uniform("fold", sample_ids)[:, 0] * k).astype(np.intp)


# Displacements: how h moves


def mean_difference(h: Array, selection: Selection) -> Array:
    """Eq. 11: v = 1/n sum (q+ - q-). h (samples, D) -> v (D,), float64."""
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
    """
    rows = _Rows.of(z)
    missing = np.isnan(scores).any(axis=1, keepdims=True)  # (n, 1)
    w = rows.tensor(np.where(missing, 0, np.ones((len(z), 1)) if weights is None else weights))
    y = rows.tensor(np.where(missing, 0, scores))

    centred = y[:, None] - ((w.T @ y) / w.sum(0)[:, None])  # (n, R, A)
    weighted = w[:, :, None] * centred
    G = torch.einsum("nra,nrb->rab", weighted, centred)
    cross = (rows.z.T @ weighted.flatten(1)).unflatten(1, weighted.shape[1:])  # (r, R, A)
    B = torch.einsum("rab,krb->rak", torch.linalg.pinv(G, hermitian=True), cross)
    if shrinkage == 1:
        return span.numpy(B)

    lengths = rows.z.square().sum(1)  # (n,)
    whole = w.T @ lengths - (w.T @ rows.z).square().sum(1) / w.sum(0)
    within = whole - torch.einsum("rak,rab,rbk->r", B, G, B)
    unit = (1 - shrinkage) * lengths.mean() / within  # (R,), S = unit * sum w (z - mean)(z - mean)^T - unit * B^T G B

    q = (unit * w).repeat_interleave(y.shape[1], dim=1)
    X = _inverse(
        rows, q, shrinkage, B.flatten(0, 1).T, 1e-3 * TOLERANCE
    )  # by the first term alone; Woodbury has the second
    X = X.T.unflatten(0, B.shape[:2])
    second = unit[:, None, None] * (B @ X.mT) @ G
    return span.numpy(torch.linalg.solve(torch.eye(y.shape[1]).to(second) - second, X))


# Normals: how the score is read off h


@dataclass(frozen=True)
class Classifiers:
    """Linear classifiers, one an attribute, each with the regulariser that did best on samples held out."""

    coefficients: Array  # (A, r) normals, in coordinates
    intercepts: Array  # (A,)
    C: Array  # (A,) chosen
    held_out: Array  # (n, A) decision of each sample by the classifier that was fitted without its fold


def classifiers(
    z: AnyArray, y: Array, folds: NDArray[np.intp], loss: Loss, C: Sequence[float] | None = None
) -> Classifiers:
    """L2-regularised linear classifiers of all attributes: z (n, r), y (n, A), folds (n,) as `folds` gives them.

    "logistic" tells y = 1 from y = 0 (see `sides`); "squared" (ridge) predicts y, which suits continuous scores. C is
    scikit-learn's, for both: |w|^2 / 2 + C sum_i loss_i is minimised, with (y - f)^2 / 2 as squared loss, so that Ridge's alpha
    is 1 / C. Each attribute gets the one with the least mean loss on folds held out. The default is REGULARISERS in units of
    1 / mean |z_i|^2, and so the same whatever D and the number of steps are.

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

    best = np.nanmean(_losses(y[:, :, None], f, loss), axis=0).argmin(axis=1)
    coefficients, intercepts = solve(z, y, np.ones((n, A)), grid[best], loss)
    return Classifiers(coefficients, intercepts, grid[best], f[:, np.arange(A), best])


def refit(z: AnyArray, y: Array, loss: Loss, C: Array, weights: Array) -> Array:
    """Classifiers with regularisers C (A,), of resamples: z (n, r), y (n, A), weights (n, R) -> normals (R, A, r).

    NaN where y does not vary within a resample.
    """
    R, A = weights.shape[1], y.shape[1]
    normals, _ = solve(z, np.tile(y, R), np.repeat(weights, A, axis=1), np.tile(C, R), loss)
    return normals.reshape(R, A, -1)


def sides(scores: Array, thresholds: Thresholds | None = None) -> Array:
    """1 for scores above their threshold, 0 for others, NaN for missing ones: scores (n, A), thresholds (A,).

    None is 0, where a logit changes its mind; a threshold of NaN, of a score that knows no such border, is the median.
    """
    borders = np.zeros(scores.shape[1]) if thresholds is None else np.asarray(thresholds)
    borders = np.where(np.isnan(borders), np.nanmedian(scores, axis=0), borders)
    return np.where(np.isnan(scores), np.nan, scores > borders)


@dataclass(frozen=True)
class Quality:
    """What decisions on held-out samples are worth."""

    n: int  # samples with a score
    base_rate: float  # share of them above the threshold
    auc: float  # of telling the two sides apart; NaN if there is but one
    r2: float  # of predicting the score; NaN for decisions of a logistic classifier, which do not
    unselected: int  # samples with a score that are not among the 2n of Eq. 11
    accuracy_unselected: float  # share of these put on their own side: typical samples, not the extremes. NaN if none


def quality(held_out: Array, scores: Array, selection: Selection, loss: Loss, threshold: float = 0.0) -> Quality:
    """Of one attribute: held_out (n,) from `Classifiers`, scores (n,) with NaN where missing, and the threshold as in `sides`."""
    scored = np.flatnonzero(~np.isnan(scores))
    border = float(np.median(scores[scored])) if np.isnan(threshold) else threshold
    above, decided = scores > border, held_out > (0 if loss == "logistic" else border)
    others = np.setdiff1d(scored, np.concatenate([selection.positives, selection.negatives]))
    two_sides = 0 < above[scored].mean() < 1
    return Quality(
        n=len(scored),
        base_rate=float(above[scored].mean()),
        auc=float(roc_auc_score(above[scored], held_out[scored])) if two_sides else np.nan,
        r2=float(r2_score(scores[scored], held_out[scored])) if loss == "squared" else np.nan,
        unselected=len(others),
        accuracy_unselected=float((above == decided)[others].mean()) if len(others) else np.nan,
    )


def auc(decisions: Array, selection: Selection) -> float:
    """How well decisions (n,) tell the positives from the negatives of a selection: area under the ROC curve."""
    rows = np.concatenate([selection.positives, selection.negatives])
    labels = np.arange(len(rows)) < len(selection.positives)
    return float(roc_auc_score(labels, decisions[rows]))


def _decisions(z: AnyArray, coefficients: Array, intercepts: Array) -> Array:
    rows = torch.as_tensor(z)
    return span.numpy(rows @ torch.as_tensor(coefficients.T, device=rows.device)) + intercepts


def _losses(y: Array, f: Array, loss: Loss) -> Array:
    return np.logaddexp(0, f) - y * f if loss == "logistic" else (y - f) ** 2 / 2


def _refuse(y: Array, attribute: int, k: int) -> None:
    values, counts = np.unique(y[np.flatnonzero(~np.isnan(y))], return_counts=True)
    found = " and ".join(f"{count} of {value:g}" for value, count in zip(values[:3], counts, strict=False)) or "none"
    raise ValueError(
        f"Attribute {attribute} has the labels {found}: outside one of {k} folds they are all alike.\n"
        "Add samples, or leave the attribute out."
    )


# The solver


def solve(z: AnyArray, y: Array, weights: Array, C: Array, loss: Loss) -> tuple[Array, Array]:
    """m L2-regularised linear fits at once: z (n, r), y and weights (n, m), C (m,) -> coefficients (m, r), intercepts (m,).

    Column j minimises |w|^2 / 2 + C_j sum_i weights_ij loss(y_ij, z_i w + b), scikit-learn's convention, over w and the intercept
    b, which is not penalised. "logistic": y is 0 or 1; "squared": (y - f)^2 / 2. A missing y (NaN) weighs nothing. NaN comes
    back where what weighs anything has but one y.

    Newton's method with conjugate gradients, for all columns at once; columns that have converged drop out. What is minimised is
    1-strongly convex in w, so |w - w*| <= |gradient|, and a column has converged when that is below TOLERANCE |w|. Only gradients
    need float64, steps are found in float32. Fast where z^T z is diagonal, as `span.coordinates` makes it.
    """
    if loss not in get_args(Loss):
        raise ValueError(f"A loss of {loss!r}: expected one of {', '.join(get_args(Loss))}.")
    rows = _Rows.of(z)
    s = np.where(np.isnan(y), 0, weights) * C
    y = np.nan_to_num(y)
    coefficients, intercepts = np.full((len(C), z.shape[1]), np.nan), np.full(len(C), np.nan)

    answerable = np.flatnonzero(_varies(y, s))
    for start in range(0, len(answerable), PROBLEMS):
        some = answerable[start : start + PROBLEMS]
        fit = _logistic if loss == "logistic" else _least_squares
        w, b = fit(rows, rows.tensor(y[:, some]), rows.tensor(s[:, some]))
        coefficients[some], intercepts[some] = span.numpy(w.T), span.numpy(b)
    return coefficients, intercepts


def _varies(y: Array, s: Array) -> NDArray[np.bool_]:
    """Which columns of y (n, m) have two values that weigh anything."""
    return np.where(s > 0, y, -np.inf).max(axis=0) > np.where(s > 0, y, np.inf).min(axis=0)


@dataclass(frozen=True)
class _Rows:
    """The samples as the solver reads them."""

    z: Tensor  # (n, r) float64
    rough: Tensor  # the same in float32
    spread: Tensor  # (r,) float32: the diagonal of z^T z

    @classmethod
    def of(cls, z: AnyArray) -> "_Rows":
        tensor = torch.as_tensor(z, dtype=torch.float64)
        rough = tensor.float()
        return cls(tensor, rough, rough.square().sum(0))

    def tensor(self, x: Array) -> Tensor:
        return torch.as_tensor(x, dtype=torch.float64, device=self.z.device)


def _least_squares(rows: _Rows, y: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """y and s (n, m); s is C times the weights. w (r, m), b (m,)."""
    mean = (s * y).sum(0) / s.sum(0)
    w = _inverse(rows, s, 1.0, rows.z.T @ (s * (y - mean)), TOLERANCE)
    return w, mean - (s * (rows.z @ w)).sum(0) / s.sum(0)


def _logistic(rows: _Rows, y: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """As `_least_squares`. f are the decisions."""
    w, b = y.new_zeros(rows.z.shape[1], y.shape[1]), torch.logit((s * y).sum(0) / s.sum(0))
    f = b.expand_as(y)
    result, live = (w.clone(), b.clone()), torch.arange(y.shape[1], device=y.device)
    for _ in range(100):
        p = torch.sigmoid(f)
        q, g = s * p * (1 - p), s * (p - y)  # second and first derivative of the loss by f
        shift = g.sum(0) / q.sum(0)  # Newton's step of b, were w to stay: b is eliminated
        gradient = w + rows.z.T @ (g - q * shift)
        unsolved = ~(gradient.norm(dim=0) <= TOLERANCE * w.norm(dim=0))

        result[0][:, live], result[1][live] = w, b
        live = live[unsolved]
        if not len(live):
            return result
        w, b, f, y, s, q, shift, gradient = (x[..., unsolved] for x in (w, b, f, y, s, q, shift, gradient))

        dw = _conjugate_gradients(rows, q.float(), 1.0, -gradient.float(), 0.01).double()
        df = rows.z @ dw
        db = -shift - (q * df).sum(0) / q.sum(0)
        t = _step_length(w, f, dw, df + db, y, s, (gradient * dw).sum(0))
        w, b, f = w + t * dw, b + t * db, f + t * (df + db)
    raise ValueError(
        f"{len(live)} logistic fits did not converge in 100 steps of Newton's method: C is too large, or h is not finite."
    )


def _step_length(w: Tensor, f: Tensor, dw: Tensor, df: Tensor, y: Tensor, s: Tensor, slope: Tensor) -> Tensor:
    """1, halved until the objective falls enough (Armijo), for each column; rounding is forgiven."""

    def objective(t: Tensor) -> Tensor:
        decisions = f + t * df
        return (w + t * dw).square().sum(0) / 2 + (s * (softplus(decisions) - y * decisions)).sum(0)

    t = torch.ones_like(slope)
    before = objective(0 * t)
    for _ in range(30):
        too_long = objective(t) > before + 1e-4 * t * slope + 1e-12 * before
        if not too_long.any():
            break
        t = torch.where(too_long, t / 2, t)
    return t


def _inverse(rows: _Rows, q: Tensor, ridge: float, rhs: Tensor, tolerance: float) -> Tensor:
    """x with (Z_c^T diag(q) Z_c + ridge) x = rhs, column by column: q (n, m), rhs (r, m), Z_c = z less its mean weighted by q.

    Conjugate gradients in float32, refined by residuals in float64 until |x - x*| <= |residual| / ridge is below tolerance |x|.
    """
    x, residual = torch.zeros_like(rhs), rhs
    for _ in range(20):
        unit = residual.abs().amax(0).clamp_min(torch.finfo(rhs.dtype).tiny)
        x = x + unit * _conjugate_gradients(rows, q.float(), ridge, (residual / unit).float(), 1e-4)
        f = rows.z @ x
        residual = rhs - rows.z.T @ (q * (f - (q * f).sum(0) / q.sum(0))) - ridge * x
        if (residual.norm(dim=0) <= tolerance * ridge * x.norm(dim=0)).all():
            return x
    raise ValueError(
        "Least squares did not converge: the regulariser is too small for h of this spread, or h is not finite."
    )


def _conjugate_gradients(rows: _Rows, q: Tensor, ridge: float, rhs: Tensor, tolerance: float) -> Tensor:
    """As `_inverse`, in float32 and to a tolerance (of the residual, in the norm of the preconditioner).

    The preconditioner is the diagonal that the matrix would have if all samples weighed the same.
    """
    z, total = rows.rough, q.sum(0)
    scale = 1 / (ridge + rows.spread[:, None] * (total / len(z)))
    x, live = torch.zeros_like(rhs), torch.arange(rhs.shape[1], device=rhs.device)
    residual = rhs
    p = scale * residual
    rho = (residual * p).sum(0)
    goal = tolerance**2 * rho
    for _ in range(200):
        f = z @ p
        product = z.T @ (q * (f - (q * f).sum(0) / total)) + ridge * p
        alpha = rho / (p * product).sum(0)
        x[:, live] += alpha * p
        residual = residual - alpha * product
        preconditioned = scale * residual
        before, rho = rho, (residual * preconditioned).sum(0)
        p = preconditioned + (rho / before) * p
        unsolved = rho > goal
        if not unsolved.any():
            break
        if not unsolved.all():
            live, goal, rho, total, residual, p, scale, q = (
                x[..., unsolved] for x in (live, goal, rho, total, residual, p, scale, q)
            )
    return x


# Displacements from running sums


class ClassSums:
    """Sums over any number of samples, which make differences and discriminants. Sums over other samples merge into them.

    A score above its threshold makes a sample a positive of that attribute, one at or below it a negative: `above` (A,), and
    `below` (A,) if negatives have a threshold of their own. NaN, of a score that knows no such border, makes neither. A
    missing score leaves the sample out of that attribute's classes, and out of all that takes the scores jointly, the moments of h
    included. Sums are float64: thousands of rows lose no digits.
    """

    def __init__(self, above: Thresholds, below: Thresholds | None = None) -> None:
        self.above = np.array(above, np.float64)
        self.below = self.above if below is None else np.array(below, np.float64)
        A = len(self.above)
        self.products = np.zeros((1 + A, 1 + A))  # (1, y)^T (1, y), over samples with all scores
        self.counts = np.zeros((2, A))  # of positives, of negatives
        self.sums = np.zeros(
            (1 + 3 * A, 0)
        )  # (1, y)^T h over samples with all scores; h over positives; over negatives
        self.squares = np.zeros(0)  # h^2 over samples with all scores

    def partial_fit(self, h: AnyArray, scores: Array) -> "ClassSums":
        """h (B, D) float16 or float32, NumPy or torch, on any device; scores (B, A), NaN where one is missing."""
        self._check(h, scores)
        complete = ~np.isnan(scores).any(axis=1, keepdims=True)  # (B, 1)
        joint = np.where(complete, np.column_stack([np.ones(len(scores)), scores]), 0.0)
        classes = np.column_stack([scores > self.above, scores <= self.below]).astype(np.float64)
        self.products += joint.T @ joint
        self.counts += classes.sum(axis=0).reshape(2, -1)

        rows = np.column_stack([joint, classes]).T
        for at, block in span.blocks(h):
            block = span.float64(block)
            self.sums[:, at] += span.numpy(span.like(block, rows) @ block)
            self.squares[at] += span.numpy(span.like(block, rows[:1]) @ block**2)[0]
        return self

    def merge(self, other: "ClassSums") -> "ClassSums":
        """These sums, with the other's samples added. Raises ValueError if the thresholds or the shapes of h differ."""
        same = [np.array_equal(a, b, equal_nan=True) for a, b in [(self.above, other.above), (self.below, other.below)]]
        if not all(same):
            raise ValueError(
                f"Sums with thresholds {self.above} cannot take in sums with {other.above}: other classes."
            )
        if other.squares.size:
            self._make_room(len(other.squares))
            for name in ("products", "counts", "sums", "squares"):
                setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def state(self) -> dict[str, Array]:
        """All of it as arrays by name."""
        return {name: getattr(self, name) for name in ("above", "below", "products", "counts", "sums", "squares")}

    @classmethod
    def from_state(cls, state: Mapping[str, Array]) -> "ClassSums":
        sums = cls(state["above"], state["below"])
        for name in ("products", "counts", "sums", "squares"):
            setattr(sums, name, np.array(state[name], np.float64))
        return sums

    @property
    def n(self) -> int:
        """Samples with all scores."""
        return int(self.products[0, 0])

    def moments(self) -> tuple[Array, Array]:
        """Mean and standard deviation of h (D,), as `span.moments` has them."""
        mean = self.sums[0] / self.n
        return mean, span.standard_deviation(self.squares / self.n - mean**2, mean)

    def mean_differences(self) -> Array:
        """Mean h of the positives less that of the negatives, an attribute each: (A, D). NaN where either has none."""
        A = len(self.above)
        with np.errstate(invalid="ignore"):
            positives, negatives = self.sums[1 + A :].reshape(2, A, -1) / self.counts[:, :, None]
        return positives - negatives

    def adjusted_differences(self) -> Array:
        """How h moves when one score rises by one and the others stay: regression of h on all scores at once. (A, D)"""
        mean_y = self.products[0, 1:] / self.n
        cross = self.sums[1 : len(mean_y) + 1] - mean_y[:, None] * self.sums[0]
        return np.linalg.pinv(self._covariance() * self.n, hermitian=True) @ cross

    def discriminants(self, shrinkage: float, V: Array, variances: Array) -> Array:
        """`discriminants`, in the units of h, with the covariance of h from principal components: (A, D).

        V (k, D) are orthonormal components of raw h of the same samples, and variances (k,) theirs, with the divisor n - 1. What
        variance they leave out counts as spread evenly over the features. With all components the result is that of all samples.
        """
        _, scale = self.moments()
        B, G = self.adjusted_differences(), self._covariance()
        if shrinkage == 1:
            return B
        b = B @ V.T  # (A, k)
        K = np.diag(variances * (self.n - 1) / self.n) - b.T @ G @ b  # what is left of the components' covariance
        B, U = B / scale, V / scale
        total = float(
            ((self.squares / self.n - (self.sums[0] / self.n) ** 2) / scale**2).sum()
        )  # D, constants not counted
        within = total - float(np.einsum("ad,ab,bd->", B, G, B))
        inner = U @ U.T
        left_out = max(0.0, within - float((K * inner).sum())) / len(scale)

        unit = (1 - shrinkage) * total / within
        ridge = shrinkage + unit * left_out  # S_s = ridge I + unit U^T K U, inverted by Woodbury's identity
        X = np.linalg.solve(ridge * np.eye(len(U)) + unit * K @ inner, unit * K @ (U @ B.T))
        return (B - X.T @ U) / ridge * scale

    def _covariance(self) -> Array:
        """Of the scores, (A, A)."""
        mean_y = self.products[0, 1:] / self.n
        return self.products[1:, 1:] / self.n - np.outer(mean_y, mean_y)

    def _check(self, h: AnyArray, scores: Array) -> None:
        if scores.shape != (len(h), len(self.above)):
            raise ValueError(
                f"Scores of shape {scores.shape}: expected {(len(h), len(self.above))}, a row for each row of h."
            )
        self._make_room(h.shape[1])

    def _make_room(self, D: int) -> None:
        if not self.squares.size:
            self.sums, self.squares = np.zeros((len(self.sums), D)), np.zeros(D)
        if len(self.squares) != D:
            raise ValueError(f"h of {D} numbers a sample cannot be added to sums of {len(self.squares)}.")
