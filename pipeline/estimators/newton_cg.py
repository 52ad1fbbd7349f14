"""Many L2-regularised linear fits of the same samples at once: least squares and logistic, each to the same tolerance.

Attributes, folds, regularisers and resamples all make problems that share the samples z and differ in labels, weights and C. So
each is a column, and a step of all of them is a product of matrices, z times as many columns as there are unsolved problems.

Shapes: n samples, r coordinates, m problems.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from pipeline.batches import batches
from pipeline.estimators import dual
from pipeline.estimators.dual import AnyArray, Array

Loss = Literal["logistic", "squared"]

TOLERANCE = 1e-6  # of a fit, relative to its length
PROBLEMS = 512  # solved at a time


def solve(z: AnyArray, y: Array, weights: Array, C: Array, loss: Loss) -> tuple[Array, Array]:
    """m L2-regularised linear fits at once: z (n, r), y and weights (n, m), C (m,) -> coefficients (m, r), intercepts (m,).

    Column j minimises |w|^2 / 2 + C_j sum_i weights_ij loss(y_ij, z_i w + b), scikit-learn's convention, over w and the intercept
    b, which is not penalised. "logistic": y is 0 or 1; "squared": (y - f)^2 / 2. A missing y (NaN) weighs nothing. NaN comes
    back where what weighs anything has but one y.

    Newton's method with conjugate gradients, for all columns at once; columns that have converged drop out. What is minimised is
    1-strongly convex in w, so |w - w*| <= |gradient|, and a column has converged when that is below TOLERANCE |w|. Only gradients
    need float64, steps are found in float32. Fast where z^T z is diagonal, as `dual.coordinates` makes it.
    """
    if loss not in get_args(Loss):
        raise ValueError(f"A loss of {loss!r}: expected one of {', '.join(get_args(Loss))}.")
    rows = Rows.of(z)
    s = np.where(np.isnan(y), 0, weights) * C
    y = np.nan_to_num(y)
    coefficients, intercepts = np.full((len(C), z.shape[1]), np.nan), np.full(len(C), np.nan)

    answerable = np.flatnonzero(_varies(y, s))
    for batch in batches(len(answerable), PROBLEMS):
        some = answerable[batch]
        fit = _logistic if loss == "logistic" else _least_squares
        w, b = fit(rows, rows.tensor(y[:, some]), rows.tensor(s[:, some]))
        coefficients[some], intercepts[some] = dual.numpy(w.T), dual.numpy(b)
    return coefficients, intercepts


def _varies(y: Array, s: Array) -> NDArray[np.bool_]:
    """Which columns of y (n, m) have two values that weigh anything."""
    return np.where(s > 0, y, -np.inf).max(axis=0) > np.where(s > 0, y, np.inf).min(axis=0)


@dataclass(frozen=True)
class Rows:
    """The samples as the solver reads them; `Rows.of(z)` makes them of coordinates z (n, r)."""

    z: Tensor  # (n, r) float64
    rough: Tensor  # the same in float32
    spread: Tensor  # (r,) float32: the diagonal of z^T z

    @classmethod
    def of(cls, z: AnyArray) -> "Rows":
        tensor = torch.as_tensor(z, dtype=torch.float64)
        rough = tensor.float()
        return cls(tensor, rough, rough.square().sum(0))

    def tensor(self, x: Array) -> Tensor:
        return torch.as_tensor(x, dtype=torch.float64, device=self.z.device)


def _least_squares(rows: Rows, y: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """y and s (n, m); s is C times the weights. w (r, m), b (m,)."""
    mean = (s * y).sum(0) / s.sum(0)
    w = inverse(rows, s, 1.0, rows.z.T @ (s * (y - mean)), TOLERANCE)
    return w, mean - (s * (rows.z @ w)).sum(0) / s.sum(0)


def _logistic(rows: Rows, y: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Fit as `_least_squares` does; f are the decisions."""
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
    """Return, for each column, 1 halved until the objective falls enough (Armijo); rounding is forgiven."""

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


def inverse(rows: Rows, q: Tensor, ridge: float, rhs: Tensor, tolerance: float) -> Tensor:
    """x with (Z_c^T diag(q) Z_c + ridge) x = rhs, column by column: q (n, m), rhs (r, m), Z_c = z less its mean weighted by q.

    Conjugate gradients in float32, refined by residuals in float64 until |x - x*| <= |residual| / ridge is below tolerance |x|.
    Raises ValueError if it never is.
    """
    there = rhs.any(dim=0)
    if not there.all():  # of nothing there is nothing to solve
        x = torch.zeros_like(rhs)
        if there.any():
            x[:, there] = inverse(rows, q[:, there], ridge, rhs[:, there], tolerance)
        return x
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


def _conjugate_gradients(rows: Rows, q: Tensor, ridge: float, rhs: Tensor, tolerance: float) -> Tensor:
    """Solve as `inverse` does, in float32 and to a tolerance of the residual, in the norm of the preconditioner.

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
