"""Planted h for the tests of the linear fits, and how near a fit comes. Imported by name."""

import numpy as np

from pipeline.estimators import dual


class Span:
    """h (n, d) in coordinates, and the way back."""

    def __init__(self, h: np.ndarray):
        self.h = h
        self.mean, self.std = dual.moments(h)
        self.X = (h.astype(np.float64) - self.mean) / self.std
        self.z, self.weights = dual.coordinates(dual.gram(h, self.mean, self.std))

    def standardised(self, w: np.ndarray) -> np.ndarray:
        return dual.combine(w @ self.weights, self.h, self.mean, self.std).astype(np.float64)

    def displacements(self, w: np.ndarray) -> np.ndarray:
        return self.standardised(w) * self.std

    def normals(self, w: np.ndarray) -> np.ndarray:
        return self.standardised(w) / self.std


def small(n: int = 120, d: int = 200, seed: int = 0) -> tuple[Span, np.ndarray]:
    """More features than samples, of spreads far apart, and three correlated scores."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((n, 3)) @ np.array([[1, 0.6, 0], [0, 0.8, 0.3], [0, 0, 1]])
    h = (scores @ rng.standard_normal((3, d)) + 2 * rng.standard_normal((n, d))) * np.logspace(-1, 1, d) + 1
    return Span(h.astype(np.float32)), scores


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
