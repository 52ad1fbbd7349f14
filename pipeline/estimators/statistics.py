"""Sufficient statistics of differences of means and discriminants: running sums, for as many samples as one likes.

The estimators of `pipeline.estimators.linear` have all samples before them. Sums take their rows as they come and stay as large as
they are, a few vectors of D numbers an attribute; what is made of them is how h moves with a score, in the units of h.

Shapes: B samples at a time, D = C*H*W numbers of one step, A attributes, k principal components.
"""

from collections.abc import Mapping

import numpy as np
import torch

from pipeline.estimators import dual
from pipeline.estimators.dual import AnyArray, Array
from pipeline.estimators.linear import EXHAUSTED, pseudo_inverse
from pipeline.estimators.selection import Thresholds


class SufficientStatistics:
    """Sums over any number of samples, all that differences and discriminants need of them. Those of other samples merge into them.

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

    def partial_fit(self, h: AnyArray, scores: Array) -> "SufficientStatistics":
        """h (B, D) float16 or float32, NumPy or torch, on any device; scores (B, A), NaN where one is missing.

        Raises ValueError, and stays as it was, for other shapes, for h that is not finite, and for infinite scores.
        """
        self.check(h, scores)
        self._make_room(h.shape[1])
        complete = ~np.isnan(scores).any(axis=1, keepdims=True)  # (B, 1)
        joint = np.where(complete, np.column_stack([np.ones(len(scores)), scores]), 0.0)
        classes = np.column_stack([scores > self.above, scores <= self.below]).astype(np.float64)
        self.products += joint.T @ joint
        self.counts += classes.sum(axis=0).reshape(2, -1)

        rows = np.column_stack([joint, classes]).T
        for at, block in dual.blocks(h):
            block = dual.float64(block)
            self.sums[:, at] += dual.numpy(dual.like(block, rows) @ block)
            self.squares[at] += dual.numpy(dual.like(block, rows[:1]) @ block**2)[0]
        return self

    def merge(self, other: "SufficientStatistics") -> "SufficientStatistics":
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
        """All of it as arrays by name, which no later sample changes."""
        return {
            name: getattr(self, name).copy() for name in ("above", "below", "products", "counts", "sums", "squares")
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Array]) -> "SufficientStatistics":
        sums = cls(state["above"], state["below"])
        for name in ("products", "counts", "sums", "squares"):
            setattr(sums, name, np.array(state[name], np.float64))
        return sums

    @property
    def n(self) -> int:
        """Samples with all scores."""
        return int(self.products[0, 0])

    def moments(self) -> tuple[Array, Array]:
        """Mean and standard deviation of h (D,), as `dual.moments` has them."""
        mean = self.sums[0] / self.n
        return mean, dual.standard_deviation(self.squares / self.n - mean**2, mean)

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
        scatter, squares = self._covariance() * self.n, np.diagonal(self.products)[1:].copy()
        return dual.numpy(pseudo_inverse(torch.from_numpy(scatter), torch.from_numpy(squares))) @ cross

    def discriminants(self, shrinkage: float, V: Array, variances: Array) -> Array:
        """`pipeline.estimators.linear.discriminants` in the units of h, with h's covariance from principal components: (A, D).

        V (k, D) are orthonormal components of raw h of the same samples, and variances (k,) theirs, with the divisor n - 1. What
        variance they leave out counts as spread evenly over the features. With all components the result is that of all samples:
        NaN where the scores explain h entirely, as they do of no more samples than scores.
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
        if not within > EXHAUSTED * total:
            return np.full(B.shape, np.nan)
        inner = U @ U.T
        left_out = max(0.0, within - float((K * inner).sum())) / len(scale)

        unit = (1 - shrinkage) * total / within
        ridge = shrinkage + unit * left_out  # S_s = ridge I + unit U^T K U, inverted by Woodbury's identity
        X = np.linalg.solve(ridge * np.eye(len(U)) + unit * K @ inner, unit * K @ (U @ B.T))
        return (B - X.T @ U) / ridge * scale

    def _covariance(self) -> Array:
        """Return the covariance (A, A) of the scores."""
        mean_y = self.products[0, 1:] / self.n
        return self.products[1:, 1:] / self.n - np.outer(mean_y, mean_y)

    def check(self, h: AnyArray, scores: Array) -> None:
        """Raise ValueError for rows of h or scores that cannot be added."""
        if scores.shape != (len(h), len(self.above)):
            raise ValueError(
                f"Scores of shape {scores.shape}: expected {(len(h), len(self.above))}, a row for each row of h."
            )
        self._check_size(h.shape[1])
        if np.isinf(scores).any():
            raise ValueError("A score is infinite: expected numbers, or NaN where one is missing.")
        if not (torch if isinstance(h, torch.Tensor) else np).isfinite(h).all():
            raise ValueError("h is not finite: a sum with NaN or infinity in it is lost.")

    def _check_size(self, D: int) -> None:
        if self.squares.size not in (0, D):
            raise ValueError(f"h of {D} numbers a sample cannot be added to sums of {len(self.squares)}.")

    def _make_room(self, D: int) -> None:
        self._check_size(D)
        if not self.squares.size:
            self.sums, self.squares = np.zeros((len(self.sums), D)), np.zeros(D)
