"""MeanDifference: the paper's supervised directions, Eq. 11."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.linear import mean_difference
from pipeline.stages.supervised import Labelled, Supervised


@dataclass(frozen=True)
class MeanDifference(Supervised):
    """For each attribute, mean h of the n highest scores less that of the n lowest, at every step."""

    method: ClassVar[str] = "mean-difference"

    def fit_step(self, h: np.ndarray, labelled: Labelled) -> tuple[np.ndarray, list[float | None]]:
        vectors = [mean_difference(h, selection) for selection in labelled.selections]
        return np.stack(vectors), [None] * len(vectors)
