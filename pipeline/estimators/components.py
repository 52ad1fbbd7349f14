"""Principal components (Haas et al. 2024, Sec. IV-A) of up to about 20,000 samples, exactly; and what is known of components.

The Gram matrix of the centred samples, n x n, has the same nonzero eigenvalues as their scatter matrix, D x D, and its eigenvectors
are the components' weights of the samples.

Shapes: n samples, D = C*H*W numbers of one step, k components.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray

from pipeline.estimators import dual
from pipeline.estimators.dual import AnyArray, Array
from pipeline.signs import signed, signs

SEPARATED = 4  # times the bound: see `well_separated_` of `pipeline.estimators.pca`
NOTHING = 1e-7  # of the largest eigenvalue: at and below it there is rounding alone
ROUNDING = 1e-6  # of the largest eigenvalue: what float32 products may move any of them by


@dataclass(frozen=True)
class Components:
    """Leading components of one step. The entry of each that is largest in magnitude is positive.

    Samples that span fewer than k dimensions have fewer components: the others are zero, as are their variances and scores.
    """

    vectors: np.ndarray  # (k, D) float32, each as long as one standard deviation of the samples' scores
    explained_variance_ratio: np.ndarray  # (k,)
    well_separated: np.ndarray  # (k,) bool: not lost among its neighbours, by what was dropped or by rounding
    scores: np.ndarray | None  # (n, k) of the samples, along components of length 1; None where they are not at hand


def exact_pca(h: AnyArray, k: int) -> Components:
    """The k leading components of h (n, D), float16 or float32, through the Gram matrix of the samples; n up to about 20,000."""
    mean, _ = dual.moments(h)
    gram = dual.numpy(dual.gram(h, mean))
    values, U = _largest(gram, k)
    vectors = dual.combine(U.T / np.sqrt(len(h) - 1), h, mean)
    sign = signs(torch.from_numpy(vectors)).numpy()
    return Components(
        vectors * sign[:, None],
        _share(values[:k], gram),
        stands_clear(values)[:k],
        U * np.sqrt(values[:k]) * sign,
    )


def components_from_gram(gram: AnyArray, k: int) -> tuple[Array, Array]:
    """Components as sums of samples, from the Gram matrix (n, n) of centred samples: weights (k, n), explained variance ratio (k,).

    weights @ (h_t - mean_t) is the part at step t of components one standard deviation long, where `gram` is the sum of the steps'
    Gram matrices: one PCA of whole trajectories. The largest weight in magnitude is positive. Beyond the dimensions that the
    samples span, weights and ratio are zero.
    """
    gram = dual.numpy(gram)
    values, U = _largest(gram, k)
    weights = U.T / np.sqrt(len(gram) - 1)
    return signed(weights), _share(values[:k], gram)


def stands_clear(values: Array, bound: float = 0.0) -> NDArray[np.bool_]:
    """Which eigenvalues (largest first, no other above 0) have a gap to both neighbours that an error of 0 to bound leaves open."""
    if len(values) == 0:
        return np.zeros(0, bool)
    gaps = -np.diff(values, prepend=np.inf, append=0.0)
    return np.minimum(gaps[:-1], gaps[1:]) > SEPARATED * (bound + ROUNDING * values[0])


def rank(values: Array, total: float, rows: int) -> int:
    """How many leading eigenvalues of a Gram matrix of so many rows, with this trace, are more than float32's rounding.

    values (k,), largest first. Rounding makes eigenvalues of up to about 4 sqrt(rows) eps of the mean one, and NOTHING of the
    largest: their eigenvectors are noise.
    """
    if not len(values) or values[0] <= 0:
        return 0
    rounding = 4 * np.sqrt(rows) * np.finfo(np.float32).eps * total / rows
    return int((values > max(NOTHING * values[0], rounding)).sum())


def _largest(gram: Array, k: int) -> tuple[Array, Array]:
    """The k + 1 largest eigenvalues of a Gram matrix (n, n), and the eigenvectors (n, k) of the first k; zero where rounding is."""
    n = len(gram)
    if not 1 <= k < n:
        raise ValueError(f"{k} components of {n} samples: expected 1 to {n - 1}.")
    values, U = scipy.linalg.eigh(gram, subset_by_index=[n - k - 1, n - 1])
    values, U = values[::-1].clip(min=0), U[:, :0:-1]
    real = np.arange(k + 1) < rank(values, float(np.trace(gram)), n)
    return values * real, U * real[:k]


def _share(values: Array, gram: Array) -> Array:
    total = np.trace(gram)
    return values / total if total else values
