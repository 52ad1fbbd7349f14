"""Coordinates of the span of the samples: what is linear in h is solved there exactly, in n x r numbers instead of n x D.

Every L2-regularised linear fit has its solution in the span of the samples. So one Gram matrix of the standardised h, and one
eigendecomposition of it, serve all attributes, folds, regularisers and resamples: `gram`, then `coordinates`, then any number of
fits (`pipeline.estimators.linear`), then `combine` brings their vectors back to D. A trajectory is flattened by adding up the Gram
matrices of its steps. Where n x n is too much (beyond about 20,000 samples), principal components take the place of the span:
`standardised_basis`, then `projected` for as many rows at a time as one likes, and the way back is `w @ basis`.

h is a NumPy array or a torch tensor, float16 or float32, on any device; it is read by blocks of columns, and never copied whole.
Where the vectors of many resamples are more than memory holds, `combined` gives them by blocks of columns, too.
What has n rows stays where h is (NumPy on the CPU, torch on a GPU); vectors of D numbers come back as NumPy.

Shapes: n samples, D = C*H*W numbers of one step, r coordinates (r <= n), m vectors.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.batches import batches

Array = NDArray[np.floating]
AnyArray = Any  # a NumPy array or a torch tensor: for readers

COLUMNS = 4096  # of h at a time, in float32
FEW = 1024  # the same, in float64
WIDE = 8192  # of many vectors at a time


def moments(h: AnyArray, columns: int = FEW) -> tuple[Array, Array]:
    """Mean and standard deviation (divisor n) of every feature of h (n, D): (D,) each, float64.

    A feature that does not vary beyond rounding gets the standard deviation 1: standardised it is 0, and nothing is divided by 0.
    """
    means, squares = [], []
    for _, block in blocks(h, columns):
        block = float64(block)
        means.append(numpy(block.mean(0)))
        squares.append(numpy(((block - block.mean(0)) ** 2).mean(0)))
    mean = np.concatenate(means)
    return mean, standard_deviation(np.concatenate(squares), mean)


def standard_deviation(variance: Array, mean: Array) -> Array:
    """Return the standard deviations of features (D,), and 1 where the variance is no more than float32's rounding of the mean."""
    constant = variance <= np.square(np.finfo(np.float32).eps * mean)
    return np.where(constant, 1.0, np.sqrt(np.maximum(variance, 0)))


def gram(h: AnyArray, mean: Array, scale: Array | None = None, columns: int = COLUMNS) -> AnyArray:
    """Gram matrix of (h - mean) / scale: (n, n) float64, symmetric, where h is. h (n, D), mean and scale (D,).

    Products of `columns` features in float32, their sums in float64.
    """
    total: AnyArray = 0.0
    for _, block in blocks(h, columns, mean, scale):
        total = _added(total, block @ block.T)
    total = total + total.T  # to the last bit
    total *= 0.5
    return total


def coordinates(gram: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Orthonormal coordinates of the samples' span, from their Gram matrix (n, n): z (n, r) and weights (r, n), both float64.

    z z^T is the Gram matrix, and z^T z is diagonal, largest first. A vector w (r,) in these coordinates is the vector
    (w @ weights) @ (h - mean) / scale among the D features: `combine`.
    Directions whose share of the samples' squared lengths is below what rounding of float32 products leaves, 4 sqrt(n) eps of the
    mean squared length, are dropped; that of the common mean, which is 0, is always among them.
    """
    library = torch if isinstance(gram, Tensor) else np
    if not library.isfinite(gram).all():
        raise ValueError(
            "The Gram matrix is not finite: h has infinite or missing numbers, perhaps from an overflow of float16."
        )
    values, Q = library.linalg.eigh(gram)
    kept = values > 4 * len(values) ** 0.5 * np.finfo(np.float32).eps * values.mean()
    first = int((~kept).sum())  # ascending
    if first == len(values):
        raise ValueError(f"The {len(values)} samples are all alike: there is nothing to fit.")
    order = range(len(values) - 1, first - 1, -1)
    length, Q = values[list(order)] ** 0.5, Q[:, list(order)]
    return Q * length, (Q / length).T


def combine(weights: Array, h: AnyArray, mean: Array, scale: Array | None = None, columns: int = COLUMNS) -> Array:
    """Sums of samples, weights (m, n) @ (h - mean) / scale: (m, D) float32. The way back from coordinates: w @ weights."""
    result = np.empty((len(weights), h.shape[1]), np.float32)
    weights = _rough(h, weights)
    for at, block in blocks(h, columns, mean, scale):
        result[:, at] = numpy(weights @ block)
    return result


def combined(
    weights: Array, h: AnyArray, mean: Array, scale: Array | None = None, columns: int = WIDE
) -> Iterator[tuple[slice, Array]]:
    """`combine` for more vectors than memory should hold: which columns, and (m, columns) of them, one after the other."""
    for at in batches(h.shape[1], columns):
        yield at, combine(weights, h[:, at], mean[at], None if scale is None else scale[at])


def standardised_basis(V: Array, scale: Array) -> Array:
    """Orthonormal rows that span V / scale: V (r, D), vectors in the units of h, such as principal components; (r, D) float32."""
    return np.linalg.qr((V / scale).astype(np.float64).T)[0].T.astype(np.float32)


def projected(h: AnyArray, basis: Array, mean: Array, scale: Array, columns: int = COLUMNS) -> AnyArray:
    """Coordinates of (h - mean) / scale in a basis (r, D) of orthonormal rows: z (n, r) float64, where h is.

    Rows do not depend on one another, so chunks of rows may follow one another. A vector w (r,) is w @ basis among the D features.
    """
    basis = _rough(h, basis)
    total: AnyArray = 0.0
    for at, block in blocks(h, columns, mean, scale):
        total = _added(total, block @ basis[:, at].T)
    return total


# Reading h where it is


def blocks(
    h: AnyArray, columns: int = COLUMNS, mean: Array | None = None, scale: Array | None = None
) -> Iterator[tuple[slice, AnyArray]]:
    """Blocks of columns of (h - mean) / scale in float32, and which columns: where h is, on the CPU as NumPy.

    (NumPy sees that x @ x.T is symmetric, and does half the work.)
    """
    if isinstance(h, Tensor) and h.device.type == "cpu":
        h = h.detach().numpy()
    for at in batches(h.shape[1], columns):
        block = _rough(h, h[:, at])
        if mean is not None:
            block = block - _rough(h, mean[at])
        if scale is not None:
            block = block / _rough(h, scale[at])
        yield at, block


def float64(x: AnyArray) -> AnyArray:
    return x.to(torch.float64) if isinstance(x, Tensor) else x.astype(np.float64)


def like(x: AnyArray, y: Array) -> AnyArray:
    """y in the type of x, where x is."""
    return torch.as_tensor(y, dtype=x.dtype, device=x.device) if isinstance(x, Tensor) else y.astype(x.dtype)


def numpy(x: AnyArray) -> Array:
    return x.cpu().numpy() if isinstance(x, Tensor) else x


def _rough(h: AnyArray, x: AnyArray) -> AnyArray:
    """x as float32, where h is."""
    if isinstance(h, Tensor) and h.device.type != "cpu":
        return torch.as_tensor(x, dtype=torch.float32, device=h.device)
    return np.asarray(x, dtype=np.float32)


def _added(total: AnyArray, x: AnyArray) -> AnyArray:
    """total + x in float64, in place from the second time on."""
    if isinstance(total, float):
        return float64(x)
    total += x
    return total
