"""What a fit can ask of one step, be its samples at hand or only sketches of them.

Displacements come as (R, A, D), those of all samples first; the others say how much these owe to the samples: two halves, and of
samples that are at hand also bootstraps.

Shapes: n samples, D = C*H*W numbers of one step, A wanted attributes, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.estimators import dual, linear
from pipeline.estimators.dual import AnyArray, Array
from pipeline.estimators.selection import Selection
from pipeline.estimators.sketch import Sketch


class Step(Protocol):
    """Labelled samples at one step."""

    def norms(self) -> Array:
        """Return the norms of the mean differences of all samples: (A,)."""
        ...

    def mean_differences(self) -> Array:
        """Return mean h of the positives less that of the negatives."""
        ...

    def discriminants(self, shrinkage: float) -> Array:
        """Return how h moves when one score rises alone; with a shrinkage below 1, weighed against how h varies anyway."""
        ...


@dataclass(frozen=True)
class Labelled:
    """Samples with scores, and each wanted attribute's positives and negatives among them."""

    ids: np.ndarray  # (n,) sample_id
    rows: np.ndarray  # (n,) which rows of the activations these samples are
    scores: np.ndarray  # (n, A or more) float64; the wanted attributes first, then the annotator's others
    thresholds: np.ndarray  # as many, above which an attribute is present
    selections: tuple[Selection, ...]  # A

    @property
    def wanted(self) -> np.ndarray:
        """The scores of the wanted attributes alone."""
        return self.scores[:, : len(self.selections)]


@dataclass(frozen=True)
class Samples:
    """All samples. Their positives and negatives are those of Eq. 11, or matched."""

    h: AnyArray  # (n, D) float16
    labelled: Labelled
    weights: Array  # (n, R)

    def norms(self) -> Array:
        return np.array([np.linalg.norm(linear.mean_difference(self.h, each)) for each in self.labelled.selections])

    def mean_differences(self) -> Array:
        weights = linear.difference_weights(self.labelled.selections, self.weights)
        return self._combined(weights, self.h.mean(axis=0, dtype=np.float64))

    def discriminants(self, shrinkage: float) -> Array:
        mean, std = dual.moments(self.h)
        z, of_samples = dual.coordinates(dual.gram(self.h, mean, std))
        found = linear.discriminants(z, self.labelled.scores, shrinkage, self.weights)
        found = found[:, : len(self.labelled.selections)]
        return self._combined(found.reshape(-1, found.shape[2]) @ of_samples, mean, std) * std

    def _combined(self, weights: Array, mean: Array, scale: Array | None = None) -> Array:
        """Sums of samples, as many numbers as (R, A, n) -> (R, A, D)."""
        sums = dual.combine(weights.reshape(-1, len(self.h)), self.h, mean, scale)
        return sums.reshape(-1, len(self.labelled.selections), self.h.shape[1])


@dataclass(frozen=True)
class Sketches:
    """Sketches of all samples and, where there are any, of two halves of them. Each side of a threshold is taken whole."""

    sketches: Sequence[Sketch]  # R
    wanted: Sequence[int]  # (A,) which of their scores

    @property
    def counts(self) -> Array:
        """Positives and negatives among all samples: (2, A)."""
        return self.sketches[0].sums.counts[:, self.wanted]

    def norms(self) -> Array:
        return np.linalg.norm(self.mean_differences()[0], axis=1)

    def mean_differences(self) -> Array:
        return np.stack([each.sums.mean_differences()[self.wanted] for each in self.sketches])

    def discriminants(self, shrinkage: float) -> Array:
        return np.stack([each.discriminants(shrinkage)[self.wanted] for each in self.sketches])
