"""AdjustedDifference: Eq. 11 with every other attribute held fixed, so that what correlates in the samples is not mixed."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.linear import adjusted_differences
from pipeline.stages.supervised import Labelled, Supervised


@dataclass(frozen=True)
class AdjustedDifference(Supervised):
    """For each attribute, how h differs between its positives and negatives because of that attribute alone.

    Regresses h on everything that the annotator scores, whether or not a direction is wanted for it.
    """

    method: ClassVar[str] = "adjusted-difference"

    def fit_step(self, h: np.ndarray, labelled: Labelled) -> tuple[np.ndarray, list[float | None]]:
        vectors = adjusted_differences(h, labelled.scores, labelled.selections)
        return vectors, [None] * len(vectors)
