"""LinearClassifier: the normal of a linear classifier of h, an attribute and a step at a time, as the direction."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.linear import auc, linear_classifiers, mean_difference
from pipeline.stage import Stage
from pipeline.stages.activations import aligned, read_step, read_steps
from pipeline.stages.annotate import Annotate
from pipeline.stages.finder import write_directions
from pipeline.stages.mean_difference import check_selection, select_or_explain, supervised_row
from pipeline.store import Store


@dataclass(frozen=True)
class LinearClassifier(Stage):
    """Ridge classifiers of all scored samples; each step's normal has the norm of the mean difference of the n highest and lowest.

    So a strength means about the same for both estimators. The AUC by step is of held-out samples among those 2n.
    """

    annotate: Annotate
    annotator: str  # whose scores
    attributes: tuple[str, ...]
    n: int  # positives, and as many negatives, that set the norm and the AUC

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{attribute}/linear-classifier" for attribute in self.attributes)

    def check(self) -> None:
        self.annotate.check_attributes(self.annotator, self.attributes)
        check_selection(self.n, self.annotate.sample.n)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        sample = self.annotate.sample
        ids, _ = read_step(store, sample, 0)
        scores = aligned(self.annotate.scores(store, self.annotator), ids)[list(self.attributes)]
        scored = scores.notna().all(axis=1).to_numpy()
        scores = scores[scored]
        selections = [select_or_explain(scores, attribute, self.n) for attribute in self.attributes]

        vectors, aucs = [], []
        for _, h in read_steps(store, sample):
            fitted = linear_classifiers(h[scored], scores.to_numpy(dtype=np.float64))
            norms = [np.linalg.norm(mean_difference(h[scored], selection)) for selection in selections]
            lengths = np.linalg.norm(fitted.normals, axis=1)
            vectors.append(fitted.normals * (norms / lengths)[:, None])
            aucs.append([auc(fitted.held_out[:, a], selection) for a, selection in enumerate(selections)])

        shape = (len(self.attributes), sample.steps, *sample.model.h_shape())
        stacked = np.stack(vectors, axis=1).reshape(shape)
        rows = [
            {
                **supervised_row(name, "linear-classifier", attribute, self.annotator, int(scored.sum()), selection),
                "auc_by_step": [by_attribute[a] for by_attribute in aucs],
            }
            for a, (name, attribute, selection) in enumerate(zip(self.names, self.attributes, selections, strict=True))
        ]
        write_directions(out, self, dict(zip(self.names, stacked, strict=True)), rows)
