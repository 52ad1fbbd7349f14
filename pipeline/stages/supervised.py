"""What the supervised finders share: whose scores, which attributes, and how many positives and negatives make a direction."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from pipeline.errors import UserError
from pipeline.linear import Selection, select
from pipeline.stage import Stage
from pipeline.stages.activations import read_step, read_steps
from pipeline.stages.annotate import Annotate
from pipeline.stages.finder import Row, write_directions
from pipeline.store import Store


@dataclass(frozen=True)
class Labelled:
    """Samples with scores, and each wanted attribute's positives and negatives among them."""

    scores: np.ndarray  # (samples, A) float64; the wanted attributes first, then the annotator's others
    selections: tuple[Selection, ...]  # one a wanted attribute
    rows: np.ndarray  # which rows of the activations these samples are

    @property
    def wanted(self) -> np.ndarray:
        """The scores of the wanted attributes alone."""
        return self.scores[:, : len(self.selections)]


@dataclass(frozen=True)
class Supervised(Stage):
    """A finder that makes one direction an attribute. A method says how by `fit_step`, at one step."""

    method: ClassVar[str]

    annotate: Annotate
    annotator: str  # whose scores
    attributes: tuple[str, ...]
    n: int  # positives, and as many negatives

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{attribute}/{self.method}" for attribute in self.attributes)

    def check(self) -> None:
        if not self.attributes or len(set(self.attributes)) < len(self.attributes):
            raise UserError(
                f"The attributes are {', '.join(self.attributes) or 'none'}: expected at least one, each once."
            )
        self.annotate.check_attributes(self.annotator, self.attributes)
        if self.n < 1:
            raise UserError(f"n = {self.n} positives: expected at least 1.")
        samples = self.annotate.sample.n
        if 2 * self.n > samples:
            raise UserError(
                f"{self.n} positives and {self.n} negatives need {2 * self.n} samples, and there will be {samples}.\n"
                f"Lower --top or {self.annotate.sample.more}."
            )

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        sample = self.annotate.sample
        ids, _ = read_step(store, sample, 0)
        labelled = self.label(self.annotate.scores(store, self.annotator).reindex(ids))
        steps = [self.fit_step(h[labelled.rows], labelled) for h in self._h(store)]

        shape = (len(self.attributes), sample.steps, *sample.h_shape)
        vectors = np.stack([vectors for vectors, _ in steps], axis=1).reshape(shape)
        rows = [
            self._row(name, attribute, labelled.selections[a], len(labelled.rows), [more[a] for _, more in steps])
            for a, (name, attribute) in enumerate(zip(self.names, self.attributes, strict=True))
        ]
        write_directions(out, self, dict(zip(self.names, vectors, strict=True)), rows)

    def fit_step(self, h: np.ndarray, labelled: Labelled) -> tuple[np.ndarray, list[float | None]]:
        """One step: h (samples, D) -> a direction each (attributes, D), and held-out AUCs where the method has them."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to fit a step")

    def label(self, scores: pd.DataFrame) -> Labelled:
        """Leave out the samples with a missing score, and select. Raises UserError where too few are left."""
        others = [name for name in scores.columns if name not in self.attributes]
        scores = scores[[*self.attributes, *others]]
        rows = np.flatnonzero(scores.notna().all(axis=1))
        values = scores.to_numpy(dtype=np.float64)[rows]
        try:
            selections = tuple(select(values[:, a], self.n) for a in range(len(self.attributes)))
        except ValueError as error:
            raise UserError(
                f"{error}\nLower --top, {self.annotate.sample.more}, or choose another annotator."
            ) from error
        return Labelled(values, selections, rows)

    def _h(self, store: Store) -> Iterator[np.ndarray]:
        return (h for _, h in read_steps(store, self.annotate.sample))

    def _row(self, name: str, attribute: str, selection: Selection, n: int, aucs: list[float | None]) -> Row:
        return {
            "name": name,
            "method": self.method,
            "attribute": attribute,
            "annotator": self.annotator,
            "n": n,
            "n_positive": len(selection.positives),
            "n_negative": len(selection.negatives),
            "threshold_positive": selection.threshold_positive,
            "threshold_negative": selection.threshold_negative,
            "auc_by_step": None if aucs[0] is None else aucs,
        }
