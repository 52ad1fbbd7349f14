"""Principal components of h, step by step (Haas et al. 2024, Sec. IV-A). Shapes: n samples, D = C*H*W, k components."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import IncrementalPCA


@dataclass(frozen=True)
class Components:
    """The leading principal components of one step, each one standard deviation of the samples' scores long."""

    vectors: np.ndarray  # (k, D) float32
    explained_variance_ratio: np.ndarray  # (k,)


def principal_components(h: np.ndarray, k: int, batch: int = 256) -> Components:
    """Incremental PCA (Ross et al. 2008) of h (n, D), in batches; components scaled by singular value / sqrt(n - 1)."""
    pca = IncrementalPCA(n_components=k)
    for rows in _batches(h, max(batch, k)):
        pca.partial_fit(rows)
    scale = pca.singular_values_ / np.sqrt(len(h) - 1)
    return Components((pca.components_ * scale[:, None]).astype(np.float32), pca.explained_variance_ratio_)


def align_signs(steps: Iterable[np.ndarray]) -> np.ndarray:
    """Components of all steps, (k, D) each -> (k, T, D), flipped so that each agrees in sign with its own step 0."""
    stacked = np.stack(list(steps), axis=1)
    cosines = np.einsum("ktd,kd->kt", stacked, stacked[:, 0])
    return stacked * np.where(cosines < 0, -1, 1)[:, :, None].astype(stacked.dtype)


def _batches(h: np.ndarray, size: int) -> list[np.ndarray]:
    """Rows in batches of at least `size`: what would be left over goes with the last."""
    return np.array_split(h, max(1, len(h) // size))
