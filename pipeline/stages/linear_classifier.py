"""LinearClassifier: the normal of a linear classifier of h, an attribute and a step at a time, as the direction."""

from dataclasses import dataclass
from typing import get_args

import numpy as np

from pipeline.errors import UserError
from pipeline.linear import Loss, auc, classifiers, folds, quality, refit, sides
from pipeline.span import combine, coordinates, gram, moments
from pipeline.stages.by_step import Fit
from pipeline.stages.supervised import Labelled, Supervised

FOLDS = 5


@dataclass(frozen=True)
class LinearClassifier(Supervised):
    """Classifiers of all scored samples: ridge regression of the scores, or logistic regression of which are above the threshold.

    The regulariser is chosen, and the figures taken, on samples held out in folds by a hash of sample_id.
    """

    loss: Loss = "squared"

    @property
    def method(self) -> str:
        return {"squared": "ridge", "logistic": "logistic"}[self.loss]

    def check(self) -> None:
        if self.loss not in get_args(Loss):
            raise UserError(f"A loss of {self.loss!r}: expected one of {', '.join(get_args(Loss))}.")
        super().check()

    def fit(self, h: np.ndarray, labelled: Labelled, weights: np.ndarray) -> tuple[np.ndarray, Fit]:
        mean, std = moments(h)
        z, of_samples = coordinates(gram(h, mean, std))
        A = len(labelled.selections)
        y = labelled.wanted if self.loss == "squared" else sides(labelled.wanted, labelled.thresholds[:A])
        try:
            fitted = classifiers(z, y, folds(labelled.ids, FOLDS), self.loss)
        except ValueError as error:
            raise UserError(f"{error}\n({', '.join(self.attributes)})") from error
        normals = refit(z, y, self.loss, fitted.C, weights)
        normals[0] = fitted.coefficients
        R = len(normals)
        vectors = combine(normals.reshape(R * A, -1) @ of_samples, h, mean, std) / std
        return vectors.reshape(R, A, -1), self._figures(fitted.held_out, 1 / fitted.C, labelled)

    def _figures(self, held_out: np.ndarray, penalty: np.ndarray, labelled: Labelled) -> Fit:
        each = [
            quality(held_out[:, a], labelled.scores[:, a], selection, self.loss, labelled.thresholds[a])
            for a, selection in enumerate(labelled.selections)
        ]
        return {
            "auc": np.array([auc(held_out[:, a], selection) for a, selection in enumerate(labelled.selections)]),
            "r2": np.array([one.r2 for one in each]),
            "accuracy": np.array([one.accuracy_unselected for one in each]),
            "penalty": penalty,
        }
