"""What the supervised finders share: whose scores, which attributes, how many positives and negatives, how sure a direction is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from pipeline.annotators.base import Annotator
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.estimators.linear import mean_difference
from pipeline.estimators.selection import Selection, select, sides
from pipeline.estimators.stability import Stability, check_enough, inner_products, resamples, warnings_of
from pipeline.stages.finders.by_step import EXACT, ByStep, Fit, stacked
from pipeline.stages.finders.finder import Row, write_directions
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.sources.activations import read_step
from pipeline.stages.sources.source import Source

BY_STEP = ("auc", "r2", "accuracy", "penalty")  # what a method may say of each attribute at a step


@dataclass(frozen=True)
class Labelled:
    """Samples with scores, and each wanted attribute's positives and negatives among them."""

    ids: np.ndarray  # (n,) sample_id
    rows: np.ndarray  # (n,) which rows of the activations these samples are
    scores: np.ndarray  # (n, A) float64; the wanted attributes first, then the annotator's others
    thresholds: np.ndarray  # (A,) above which an attribute is present
    selections: tuple[Selection, ...]  # one a wanted attribute

    @property
    def wanted(self) -> np.ndarray:
        """The scores of the wanted attributes alone."""
        return self.scores[:, : len(self.selections)]


@dataclass(frozen=True)
class Supervised(ByStep):
    """A finder that makes one direction an attribute. A method says how by `fit`, at one step.

    At each step a direction has the norm of the mean difference there, so that a strength means about the same for every method.
    """

    version: ClassVar[int] = 2

    annotate: Annotate
    annotator: str  # whose scores
    attributes: tuple[str, ...]
    n: int  # positives, and as many negatives

    @property
    def method(self) -> str:
        """What the estimator is called, in names and tables."""
        raise NotImplementedError(f"{type(self).__name__} has no name for its method")

    @property
    def fitted_with(self) -> tuple[Annotator, ...]:
        return (self.annotate.annotator(self.annotator),)

    @property
    def source(self) -> Source:
        return self.annotate.sample

    @property
    def read(self) -> tuple:
        return (self.annotate, self.source)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{attribute}/{self.method}" for attribute in self.attributes)

    @property
    def most(self) -> float:
        """Samples that it can be fitted on."""
        return EXACT

    def check(self) -> None:
        if not self.attributes or len(set(self.attributes)) < len(self.attributes):
            raise UserError(
                f"The attributes are {', '.join(self.attributes) or 'none'}: expected at least one, each once."
            )
        self.annotate.check_attributes(self.annotator, self.attributes)
        self.source.check_stored()
        if self.n < 1:
            raise UserError(f"n = {self.n} positives: expected at least 1.")
        samples = self.source.n
        if 2 * self.n > samples:
            raise UserError(
                f"{self.n} positives and {self.n} negatives need {2 * self.n} samples, and there will be {samples}.\n"
                f"Lower --top or {self.source.more}."
            )
        if samples > self.most:
            raise UserError(
                f"{samples} samples: these fits are exact up to {self.most}, where Gram matrices fit into memory.\n"
                "Take directions from sketches instead (SketchedDirections, or LinearClassifier with a sketch)."
            )

    def fit(self, h: np.ndarray, labelled: Labelled, weights: np.ndarray) -> tuple[np.ndarray, Fit]:
        """One step: h (n, D) float16 and weights (n, R), a column a resample -> directions (R, A, D) of any scale, figures (A,)."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to fit a step")

    def fit_step(self, step: int, store: Store) -> Fit:
        labelled, h = self.labelled_step(step, store)
        vectors, figures = self.fit(h, labelled, resamples(labelled.ids))
        norms = [np.linalg.norm(mean_difference(h, selection)) for selection in labelled.selections]
        return self.scaled(vectors, np.array(norms), figures)

    def labelled_step(self, step: int, store: Store) -> tuple[Labelled, np.ndarray]:
        """The samples with scores, and their h (n, D) float16 at one step."""
        _, h = read_step(store, self.source, step)
        labelled = self.label(store)
        return labelled, h if len(labelled.rows) == len(h) else h[labelled.rows]

    def scaled(self, vectors: np.ndarray, norms: np.ndarray, figures: Fit) -> Fit:
        """Vectors (R, A, D) as the fit of a step, those of all samples with these norms (A,)."""
        vectors = vectors * (norms / np.linalg.norm(vectors[0], axis=1))[:, None]
        return {"vectors": vectors[0].astype(np.float32), "products": inner_products(vectors), **figures}

    def put_together(self, fits: Iterator[Fit], store: Store, out: Path) -> None:
        steps = stacked(fits)
        labelled = self.label(store)
        stability = Stability.of(steps["products"].sum(axis=0))
        shape = (self.source.steps, *self.source.h_shape)
        vectors = {name: steps["vectors"][:, a].reshape(shape) for a, name in enumerate(self.names)}
        figures = {f"{name}_by_step": steps[name] for name in BY_STEP if name in steps}
        rows = [
            {
                **self._row(a, labelled),
                **stability.row(a),
                **{column: figures[column][:, a].tolist() for column in figures},
            }
            for a in range(len(self.attributes))
        ]
        write_directions(out, self, vectors, rows)

    def label(self, store: Store) -> Labelled:
        """The samples whose scores are all there, selected. Raises UserError where too few are left."""
        scores = self.annotate.scores(store, self.annotator).reindex(self.source.all_ids)
        of_annotator = self.annotate.annotator(self.annotator)
        names = [*self.attributes, *(name for name in of_annotator.attributes if name not in self.attributes)]
        thresholds = dict(zip(of_annotator.attributes, of_annotator.thresholds, strict=True))
        return self.labelled(scores[names], np.array([thresholds[name] for name in names]))

    def labelled(self, scores: pd.DataFrame, thresholds: np.ndarray) -> Labelled:
        rows = np.flatnonzero(scores.notna().all(axis=1))
        values = scores.to_numpy(dtype=np.float64)[rows]
        try:
            for a, attribute in enumerate(self.attributes):
                check_enough(attribute, values[:, a], thresholds[a])
            selections = self.select(values, thresholds)
        except ValueError as error:
            raise UserError(f"{error}\nLower --top, {self.source.more}, or choose another annotator.") from error
        return Labelled(scores.index.to_numpy()[rows], rows, values, thresholds, selections)

    def select(self, scores: np.ndarray, thresholds: np.ndarray) -> tuple[Selection, ...]:
        """The positives and negatives of each wanted attribute."""
        return tuple(select(scores[:, a], self.n) for a in range(len(self.attributes)))

    def _row(self, a: int, labelled: Labelled) -> Row:
        selection = labelled.selections[a]
        return {
            "name": self.names[a],
            "method": self.method,
            "attribute": self.attributes[a],
            "annotator": self.annotator,
            "n": len(labelled.rows),
            "n_positive": len(selection.positives),
            "n_negative": len(selection.negatives),
            "threshold_positive": selection.threshold_positive,
            "threshold_negative": selection.threshold_negative,
            "base_rate": sides(labelled.scores[:, [a]], labelled.thresholds[[a]]).mean(),
            "warnings": warnings_of(self.attributes[a], labelled.scores[:, a], selection, labelled.thresholds[a]),
        }
