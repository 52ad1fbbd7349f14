"""A sketch: all that is kept of the h of many samples at one step, whatever their number. Sketches of other samples merge into it.

Principal components, means and regressions on scores come from it, so where sketches are kept no activations need be: 50,000
samples of (512, 8, 8) at 50 steps are 164 GB of float16; a sketch of them all, with 100 components, is 0.7 GB.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from functools import reduce

import numpy as np

from pipeline.estimators.pca import StreamingPCA
from pipeline.estimators.statistics import SufficientStatistics

State = dict[str, np.ndarray]


class Sketch:
    """A streaming PCA of one step's h, and the sufficient statistics of h and the scores.

    Rows wait in a queue until there is a batch of them. So the result depends, to the bit, on the order of the rows and not on how
    they were split into calls, and going on from a saved state gives what going on would have given.
    """

    def __init__(self, keep: int, thresholds: Sequence[float], batch: int = 256) -> None:
        self.pca = StreamingPCA(keep, keep, batch)
        self.sums = SufficientStatistics(thresholds)
        self._queue: list[tuple[np.ndarray, np.ndarray]] = []

    def partial_fit(self, h: np.ndarray, scores: np.ndarray) -> "Sketch":
        """h (B, D) float16, scores (B, A) with NaN where one is missing.

        Both are copied where they have to wait. Raises ValueError, and stays as it was, for what `StreamingPCA.partial_fit` or
        `SufficientStatistics.partial_fit` refuses, and for other numbers a sample than those that wait have.
        """
        self.pca.check(h)
        self.sums.check(h, scores)
        if self._queue and self._queue[0][0].shape[1] != h.shape[1]:
            raise ValueError(f"h of {h.shape[1]} numbers a sample cannot follow h of {self._queue[0][0].shape[1]}.")
        self._queue.append((h.copy(), scores.copy()))
        while sum(len(rows) for rows, _ in self._queue) >= self.pca.batch:
            rows, values = self._queued()
            self._take(rows[: self.pca.batch], values[: self.pca.batch])
            self._queue = [(rows[self.pca.batch :], values[self.pca.batch :])]
        return self

    def settled(self) -> "Sketch":
        """This sketch with nothing in its queue."""
        sketch = deepcopy(self)
        if sketch._queue:
            sketch._take(*sketch._queued())
            sketch._queue = []
        return sketch

    def merge(self, other: "Sketch") -> "Sketch":
        """One sketch of both, the other's samples after these."""
        merged, other = self.settled(), other.settled()
        merged.pca.merge(other.pca)
        merged.sums.merge(other.sums)
        return merged

    def discriminants(self, shrinkage: float) -> np.ndarray:
        """How h moves with each score alone, (A, D), weighed against the components that are kept."""
        return self.sums.discriminants(shrinkage, self.pca.components_, self.pca.explained_variance_)

    def state(self) -> State:
        """All of it as arrays by name."""
        rows, scores = self._queued() if self._queue else (np.empty((0, 0), np.float16), np.empty((0, 0)))
        parts = {"pca": self.pca.state(), "sums": self.sums.state(), "queue": {"h": rows, "scores": scores}}
        return {f"{part}.{name}": array for part, state in parts.items() for name, array in state.items()}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> "Sketch":
        pca, sums, queue = (_below(f"{part}.", state) for part in ("pca", "sums", "queue"))
        sketch = cls(int(pca["keep"]), sums["above"].tolist(), int(pca["batch"]))
        sketch.pca, sketch.sums = StreamingPCA.from_state(pca), SufficientStatistics.from_state(sums)
        if len(queue["h"]):
            sketch._queue = [(queue["h"], queue["scores"])]
        return sketch

    def _queued(self) -> tuple[np.ndarray, np.ndarray]:
        rows, scores = zip(*self._queue, strict=True)
        return np.concatenate(rows), np.concatenate(scores)

    def _take(self, h: np.ndarray, scores: np.ndarray) -> None:
        self.pca.partial_fit(h)
        self.sums.partial_fit(h, scores)


def merge_in_tree(sketches: Iterable[Sketch]) -> Sketch:
    """Merge sketches in a binary tree: the first with the second, the third with the fourth, then the pairs, and so on.

    One that has no neighbour moves up. Of n sketches about log2 n are in memory, and each is merged about log2 n times.
    """
    waiting: list[tuple[int, Sketch]] = []  # with their level in the tree
    for sketch in sketches:
        level = 0
        while waiting and waiting[-1][0] == level:
            level, sketch = level + 1, waiting.pop()[1].merge(sketch)
        waiting.append((level, sketch))
    return reduce(lambda later, earlier: earlier.merge(later), [sketch for _, sketch in reversed(waiting)])


def _below(prefix: str, state: Mapping[str, np.ndarray]) -> State:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
