"""MeanDifference: the paper's supervised directions, Eq. 11, and the same with positives and negatives that are alike otherwise."""

from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError
from pipeline.linear import Selection, difference_weights, select, strata
from pipeline.span import combine
from pipeline.stages.by_step import Fit
from pipeline.stages.supervised import Labelled, Supervised


@dataclass(frozen=True)
class MeanDifference(Supervised):
    """For each attribute, mean h of the n highest scores less that of the n lowest, at every step.

    Matched, every combination of the other attributes wanted, present or not, gives as many positives as negatives.
    """

    matched: bool = False

    @property
    def method(self) -> str:
        return "matched-mean-difference" if self.matched else "mean-difference"

    def check(self) -> None:
        super().check()
        if self.matched and len(self.attributes) < 2:
            raise UserError("Matching needs at least two attributes: there is nothing to hold equal with one.")

    def select(self, scores: np.ndarray, thresholds: np.ndarray) -> tuple[Selection, ...]:
        if not self.matched:
            return super().select(scores, thresholds)
        wanted = np.arange(len(self.attributes))
        cells = [strata(scores[:, wanted != a], thresholds[wanted != a]) for a in wanted]
        return tuple(select(scores[:, a], self.n, cells[a]) for a in wanted)

    def fit(self, h: np.ndarray, labelled: Labelled, weights: np.ndarray) -> tuple[np.ndarray, Fit]:
        of_samples = difference_weights(labelled.selections, weights)
        R, A, n = of_samples.shape
        vectors = combine(of_samples.reshape(R * A, n), h, h.mean(axis=0, dtype=np.float64))
        return vectors.reshape(R, A, -1), {}
