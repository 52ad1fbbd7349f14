"""h with a known spectrum, and its exact components, for the tests of principal components. Imported by name."""

import numpy as np

N, D, K = 900, 120, 5


def planted(stds, floor, n=N, d=D, mean=3.0, seed=0) -> np.ndarray:
    """(n, d) float32: scores of these standard deviations along orthonormal rows, over a floor of noise."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((d, len(stds))))[0].T
    scores = rng.standard_normal((n, len(stds))) * stds
    return (scores @ basis + floor * rng.standard_normal((n, d)) + mean).astype(np.float32)


def exact(h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values and right singular vectors of centred h, in float64."""
    _, s, vt = np.linalg.svd(h.astype(np.float64) - h.mean(axis=0, dtype=np.float64), full_matrices=False)
    return s, vt


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(np.sum(a * b, axis=1)) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
