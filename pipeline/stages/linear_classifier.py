"""LinearClassifier: the normal of a linear classifier of h, an attribute and a step at a time, as the direction."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.linear import auc, linear_classifiers, mean_difference
from pipeline.stages.supervised import Labelled, Supervised


@dataclass(frozen=True)
class LinearClassifier(Supervised):
    """Ridge classifiers of all scored samples; each step's normal has the norm of the mean difference at that step.

    So a strength means about the same for every method. The AUC by step is of held-out samples among the 2n selected.
    """

    method: ClassVar[str] = "linear-classifier"

    def fit_step(self, h: np.ndarray, labelled: Labelled) -> tuple[np.ndarray, list[float | None]]:
        fitted = linear_classifiers(h, labelled.wanted)
        norms = [np.linalg.norm(mean_difference(h, selection)) for selection in labelled.selections]
        lengths = np.linalg.norm(fitted.normals, axis=1)
        aucs = [auc(fitted.held_out[:, a], selection) for a, selection in enumerate(labelled.selections)]
        return fitted.normals * (norms / lengths)[:, None], list(aucs)
