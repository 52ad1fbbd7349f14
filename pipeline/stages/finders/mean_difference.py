"""MeanDifference: the paper's supervised directions, Eq. 11, and the same with positives and negatives that are alike otherwise."""

from dataclasses import dataclass

import numpy as np

from pipeline.errors import UserError
from pipeline.estimators.selection import Selection, select, strata
from pipeline.estimators.step import Blocks, Step
from pipeline.stages.finders.supervised import Supervised


@dataclass(frozen=True)
class MeanDifference(Supervised):
    """For each attribute, mean h of the n highest scores less that of the n lowest, at every step.

    Matched, every combination of the other attributes that its scores correlate with most, present or not, gives as many positives
    as negatives.
    """

    matched: int = 0  # other attributes of the annotator

    @property
    def estimator(self) -> str:
        return "matched-mean-difference" if self.matched else "mean-difference"

    def check(self) -> None:
        super().check()
        if self.matched and self.sketched:
            raise UserError(
                "Samples that stream by cannot be matched: matched differences need the stored activations."
            )
        others = len(self.scored_by.attributes) - 1
        if not 0 <= self.matched <= others:
            raise UserError(f"Matched within {self.matched} other attributes: expected 0 to {others}.")

    def select(self, scores: np.ndarray, thresholds: np.ndarray) -> tuple[Selection, ...]:
        if not self.matched:
            return super().select(scores, thresholds)
        correlations = np.abs(np.corrcoef(scores.T))
        selections = []
        for a in range(len(self.attributes)):
            alike = np.argsort(-correlations[a], kind="stable")
            alike = alike[alike != a][: self.matched]
            selections.append(select(scores[:, a], self.n, strata(scores[:, alike], thresholds[alike])))
        return tuple(selections)

    def fit(self, step: Step) -> Blocks:
        return step.mean_differences()
