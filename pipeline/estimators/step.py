"""What a fit can ask of one step, be its samples at hand or only sketches of them.

Displacements come as (R, A, d), some columns of the D after the others: all of them together may be more than memory holds. Those
of all samples are the first of the R; the others say how much these owe to the samples: pairs of halves.

Shapes: n samples, D = C*H*W numbers of one step, d of them at a time, A wanted attributes, R resamples.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import numpy as np

from pipeline.estimators import dual, linear
from pipeline.estimators.dual import AnyArray, Array
from pipeline.estimators.selection import Selection, sides
from pipeline.estimators.sketch import Sketch

Blocks = Iterator[Array]  # (R, A, d), the columns in their order


class Step(Protocol):
    """Labelled samples at one step."""

    def norms(self) -> Array:
        """Return the norms of the mean differences of all samples: (A,)."""
        ...

    def mean_differences(self) -> Blocks:
        """Give mean h of the positives less that of the negatives."""
        ...

    def discriminants(self, shrinkage: float) -> Blocks:
        """Give how h moves when one score rises alone; with a shrinkage below 1, weighed against how h varies anyway."""
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

    @property
    def groups(self) -> np.ndarray:
        """Of each wanted attribute the positives, the negatives, and who is above the threshold: (n, 3A) bool."""
        A = len(self.selections)
        chosen = np.zeros((len(self.ids), 2 * A), bool)
        for a, selection in enumerate(self.selections):
            chosen[selection.positives, a] = chosen[selection.negatives, A + a] = True
        return np.column_stack([chosen, sides(self.wanted, self.thresholds[:A]) == 1])


@dataclass(frozen=True)
class Samples:
    """All samples. Their positives and negatives are those of Eq. 11, or matched."""

    h: AnyArray  # (n, D) float16
    labelled: Labelled
    weights: Array  # (n, R)

    def norms(self) -> Array:
        return np.array([np.linalg.norm(linear.mean_difference(self.h, each)) for each in self.labelled.selections])

    def mean_differences(self) -> Blocks:
        weights = linear.difference_weights(self.labelled.selections, self.weights)
        mean = self.h.mean(axis=0, dtype=np.float64)
        return (v for _, v in self.combined(weights.reshape(-1, len(self.h)), mean))

    def discriminants(self, shrinkage: float) -> Blocks:
        mean, std = dual.moments(self.h)
        z, of_samples = dual.coordinates(dual.gram(self.h, mean, std))
        found = linear.discriminants(z, self.labelled.scores, shrinkage, self.weights)
        found = found[:, : len(self.labelled.selections)]
        weights = found.reshape(-1, found.shape[2]) @ of_samples
        return (v * std[at] for at, v in self.combined(weights, mean, std))

    def combined(self, weights: Array, mean: Array, scale: Array | None = None) -> Iterator[tuple[slice, Array]]:
        """Sums of samples with weights (R * A, n): which columns, and (R, A, d) of them, one after the other."""
        for at, sums in dual.combined(weights, self.h, mean, scale):
            yield at, sums.reshape(-1, len(self.labelled.selections), sums.shape[1])


@dataclass(frozen=True)
class Sketches:
    """Sketches of all samples and, where there are any, of halves of them. Each side of a threshold is taken whole."""

    whole: Sketch
    wanted: Sequence[int]  # (A,) which of their scores
    halves: Callable[[], Iterable[Sketch]] = tuple  # 2 P: the two of a pair after each other, one in memory at a time

    @property
    def counts(self) -> Array:
        """Positives and negatives among all samples: (2, A)."""
        return self.whole.sums.counts[:, self.wanted]

    def norms(self) -> Array:
        return np.linalg.norm(self.whole.sums.mean_differences()[self.wanted], axis=1)

    def mean_differences(self) -> Blocks:
        yield np.stack([each.sums.mean_differences()[self.wanted] for each in self._every()])

    def discriminants(self, shrinkage: float) -> Blocks:
        yield np.stack([each.discriminants(shrinkage)[self.wanted] for each in self._every()])

    def _every(self) -> Iterator[Sketch]:
        return chain([self.whole], self.halves())
