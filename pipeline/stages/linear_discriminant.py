"""LinearDiscriminant: how h moves when one attribute alone rises, weighed against how h varies anyway."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.errors import UserError
from pipeline.linear import linear_discriminants, mean_difference
from pipeline.stages.supervised import Labelled, Supervised


@dataclass(frozen=True)
class LinearDiscriminant(Supervised):
    """Discriminants of everything that the annotator scores, at each step with the norm of the mean difference there.

    Where the labels correlate, the other attributes are held fixed, whether or not a direction is wanted for them.
    """

    method: ClassVar[str] = "linear-discriminant"

    shrinkage: float = 0.9  # 1 is the adjusted difference of means

    def check(self) -> None:
        super().check()
        if not 0 < self.shrinkage <= 1:
            raise UserError(f"Shrinkage {self.shrinkage}: expected more than 0, and at most 1.")

    def fit_step(self, h: np.ndarray, labelled: Labelled) -> tuple[np.ndarray, list[float | None]]:
        vectors = linear_discriminants(h, labelled.scores, self.shrinkage)[: len(labelled.selections)]
        norms = [np.linalg.norm(mean_difference(h, selection)) for selection in labelled.selections]
        return vectors * (norms / np.linalg.norm(vectors, axis=1))[:, None], [None] * len(vectors)
