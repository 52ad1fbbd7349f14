"""LinearDiscriminant: how h moves when one attribute alone rises, weighed against how h varies anyway."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.errors import UserError
from pipeline.estimators.dual import combine, coordinates, gram, moments
from pipeline.estimators.linear import discriminants
from pipeline.stages.finders.by_step import Fit
from pipeline.stages.finders.supervised import Labelled, Supervised


@dataclass(frozen=True)
class LinearDiscriminant(Supervised):
    """Discriminants of everything that the annotator scores.

    Where the labels correlate, the other attributes are held fixed, whether or not a direction is wanted for them.
    """

    grams: ClassVar[float] = 5.5

    shrinkage: float = 0.9  # 1 is the adjusted difference of means: nothing is weighed

    @property
    def method(self) -> str:
        return "adjusted-difference" if self.shrinkage == 1 else "linear-discriminant"

    def check(self) -> None:
        super().check()
        check_shrinkage(self.shrinkage)

    def fit(self, h: np.ndarray, labelled: Labelled, weights: np.ndarray) -> tuple[np.ndarray, Fit]:
        mean, std = moments(h)
        z, of_samples = coordinates(gram(h, mean, std))
        displacements = discriminants(z, labelled.scores, self.shrinkage, weights)[:, : len(labelled.selections)]
        R, A, r = displacements.shape
        vectors = combine(displacements.reshape(R * A, r) @ of_samples, h, mean, std) * std
        return vectors.reshape(R, A, -1), {}


def check_shrinkage(shrinkage: float) -> None:
    if not 0 < shrinkage <= 1:
        raise UserError(f"Shrinkage {shrinkage}: expected more than 0, and at most 1.")
