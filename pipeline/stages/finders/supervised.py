"""What the supervised finders share: whose scores, which attributes, how many positives and negatives, how sure a direction is."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from pipeline.annotators.base import Annotator
from pipeline.batches import batches
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.estimators.halves import PAIRS, resamples
from pipeline.estimators.selection import Selection, select, sides
from pipeline.estimators.stability import Stability, check_enough, check_sides, inner_products, warnings_of
from pipeline.estimators.step import Blocks, Labelled, Samples, Sketches, Step
from pipeline.estimators.told import above_chance
from pipeline.fingerprint import hashed_where_set
from pipeline.stages.finders.by_step import ByStep, Fit, check_exact, stacked
from pipeline.stages.finders.finder import Row, write_directions
from pipeline.stages.labels.annotate import Annotate, annotator_of
from pipeline.stages.sources.activations import read_step
from pipeline.stages.sources.sketches import SketchActivations, Sketched
from pipeline.stages.sources.source import Source

OFTEN = (
    0.5  # share of the samples that have another attribute, from which it is held fixed, and they alone are fitted on
)
ROWS = 64  # of h that are moved at a time
# What a method may say of each attribute at a step.
BY_STEP = ("auc_extremes", "auc_all", "rank_correlation", "r2", "accuracy", "penalty")


@dataclass(frozen=True)
class Supervised(ByStep):
    """A finder that makes one direction an attribute, of labelled samples whose h is stored, or of sketches of them.

    A method says how by `fit`, at one step. There a direction has the norm of the mean difference, so that a strength means about
    the same for every method. Which samples are the most typical is not known while they stream by: a mean difference of sketches
    is that of all samples above the threshold and all others, and not that of Eq. 11.
    """

    version: ClassVar[int] = 4
    resampled: ClassVar[int] = 1 + 2 * PAIRS

    labels: Annotate | Sketched
    annotator: str  # whose scores
    attributes: tuple[str, ...]
    n: int = 0  # positives, and as many negatives; 0 where sketches take all
    at: str | None = hashed_where_set(kw_only=True)  # the capture point, of several where h is recorded

    @property
    def estimator(self) -> str:
        """What the estimator is called."""
        raise NotImplementedError(f"{type(self).__name__} has no name for its estimator")

    @property
    def method(self) -> str:
        """What names and tables call it."""
        return f"sketched-{self.estimator}" if self.sketched else self.estimator

    @property
    def sketched(self) -> Sketched | None:
        """The sketches that it is fitted on, if it is."""
        return self.labels if isinstance(self.labels, Sketched) else None

    @property
    def scored_by(self) -> Annotator:
        return annotator_of(self.labels.annotators, self.annotator)

    @property
    def fitted_with(self) -> tuple[Annotator, ...]:
        return (self.scored_by,)

    @property
    def source(self) -> Source:
        return self.labels.source if self.at is None else self.labels.source.seen_at(self.at)

    @property
    def read(self) -> tuple[Stage, ...]:
        return (self.labels,) if self.sketched else (self.labels, self.source)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{attribute}/{self.method}{self.source.suffix}" for attribute in self.attributes)

    def check(self) -> None:
        if not isinstance(self.labels, Annotate | Sketched):
            raise UserError(f"{self.labels.name} has no labels: give Annotate, SketchActivations or SketchedSample.")
        if not self.attributes or len(set(self.attributes)) < len(self.attributes):
            raise UserError(
                f"The attributes are {', '.join(self.attributes) or 'none'}: expected at least one, each once."
            )
        annotator_of(self.labels.annotators, self.annotator, self.attributes)
        if self.sketched and self.at:
            raise UserError(f"Sketches are of a capture point already: give those at {self.at}.")
        self.check_samples()

    def check_samples(self) -> None:
        """Raise UserError where there cannot be two sides of each attribute."""
        if self.sketched:
            self._check_thresholds()
        else:
            self.check_selection()
            check_exact(self.source)

    def check_selection(self) -> None:
        """Raise UserError where the most typical samples cannot be had."""
        self.source.check_stored()
        if self.n < 1:
            raise UserError(f"n = {self.n} positives: expected at least 1.")
        if 2 * self.n > self.source.n:
            raise UserError(
                f"{self.n} positives and {self.n} negatives need {2 * self.n} samples, and there will be {self.source.n}.\n"
                f"Lower `top` or {self.source.more}."
            )

    def _check_thresholds(self) -> None:
        if self.n:
            raise UserError(f"n = {self.n} positives of sketches, which take all: expected 0.")
        if unknown := [name for name in self.attributes if np.isnan(self._threshold(name))]:
            raise UserError(
                f"Of {', '.join(unknown)} there is no threshold, so sketches know no two sides. Leave them out."
            )

    def _threshold(self, attribute: str) -> float:
        return self.scored_by.thresholds[self.scored_by.attributes.index(attribute)]

    def fit(self, step: Step) -> Blocks | np.ndarray:
        """One step: directions (R, A, D) of any scale, R as the step has them; or (R, A, d), some columns after the others."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to fit a step")

    def fit_step(self, step: int, store: Store) -> Fit:
        if not self.sketched:
            samples = self.samples(step, store)
            return scaled(self.fit(samples), samples.norms())
        wanted = [self.scored_by.attributes.index(name) for name in self.attributes]
        whole = self.sketched.merged(store, step)
        sketches = Sketches(whole, wanted, partial(self.sketched.of_halves, store, step))
        self._check_counts(sketches.counts)
        return {**scaled(self.fit(sketches), sketches.norms()), "counts": sketches.counts}

    def _check_counts(self, counts: np.ndarray) -> None:
        try:
            for name, above, below in zip(self.attributes, *counts.astype(int), strict=True):
                check_sides(name, above, below, self._threshold(name))
        except ValueError as error:
            raise UserError(str(error)) from error

    def samples(self, step: int, store: Store) -> Samples:
        """The samples with scores at one step."""
        _, h = read_step(store, self.source, step)
        labelled = self.label(store)
        return Samples(kept(h, labelled.rows), labelled, resamples(labelled.ids, labelled.groups))

    def put_together(self, fits: Iterator[Fit], store: Store, out: Path) -> None:
        steps = stacked(fits)
        stability = Stability.of(
            steps["products"].sum(axis=0), self.sketched.times if self.sketched and "counts" in steps else 2.0
        )
        shape = (self.source.steps, *self.source.h_shape)
        vectors = {name: steps["vectors"][:, a].reshape(shape) for a, name in enumerate(self.names)}
        chosen = self._of_all(*steps["counts"][0]) if "counts" in steps else self._selected(self.label(store))
        rows = [
            {
                "name": self.names[a],
                "method": self.method,
                "capture": self.source.at,
                "attribute": self.attributes[a],
                "annotator": self.annotator,
                **chosen[a],
                **stability.row(a),
                "warnings": [*chosen[a].get("warnings", ()), *stability.warnings(a, self.names[a])],
                **_figures(steps, a),
            }
            for a in range(len(self.attributes))
        ]
        write_directions(out, self, vectors, rows)

    def _of_all(self, positives: np.ndarray, negatives: np.ndarray) -> list[Row]:
        """Who stood for each attribute, where all samples did."""
        return [
            {
                "n": self.source.n,
                "n_positive": int(positive),
                "n_negative": int(negative),
                "threshold_positive": self._threshold(attribute),
                "threshold_negative": self._threshold(attribute),
                "base_rate": positive / (positive + negative),
            }
            for attribute, positive, negative in zip(self.attributes, positives, negatives, strict=True)
        ]

    def _selected(self, labelled: Labelled) -> list[Row]:
        """Who stood for each attribute, where the most typical samples did."""
        return [
            {
                "n": len(labelled.rows),
                "n_positive": len(selection.positives),
                "n_negative": len(selection.negatives),
                "threshold_positive": selection.threshold_positive,
                "threshold_negative": selection.threshold_negative,
                "base_rate": sides(labelled.scores[:, [a]], labelled.thresholds[[a]]).mean(),
                "warnings": warnings_of(attribute, labelled.scores[:, a], selection, labelled.thresholds[a]),
            }
            for a, (attribute, selection) in enumerate(zip(self.attributes, labelled.selections, strict=True))
        ]

    def label(self, store: Store) -> Labelled:
        """The samples whose scores are all there, selected. Raises UserError where too few are left."""
        annotate = self.labels.annotate if isinstance(self.labels, SketchActivations) else self.labels
        assert isinstance(annotate, Annotate)
        scores = annotate.scores(store, self.annotator).reindex(self.source.all_ids)
        names = [*self.attributes, *self._others(scores)]
        thresholds = np.array([self._threshold(name) for name in names])
        scores = scores[names]
        rows = np.flatnonzero(scores.notna().all(axis=1))
        values = scores.to_numpy(dtype=np.float64)[rows]
        try:
            for a, attribute in enumerate(self.attributes):
                check_enough(attribute, values[:, a], thresholds[a])
            selections = self.select(values, thresholds)
        except ValueError as error:
            raise UserError(f"{error}\nLower `top`, {self.source.more}, or choose another annotator.") from error
        return Labelled(scores.index.to_numpy()[rows], rows, values, thresholds, selections)

    def _others(self, scores: pd.DataFrame) -> list[str]:
        """The annotator's other attributes that enough samples have together: most of those with all wanted scores, and 2n of them.

        What most samples have is taken first.
        """
        with_wanted = scores[scores[list(self.attributes)].notna().all(axis=1)].notna()
        enough = max(OFTEN * len(with_wanted), 2 * self.n, 1)
        others = [name for name in self.scored_by.attributes if name not in self.attributes]
        taken: list[str] = []
        for name in sorted(others, key=lambda name: -int(with_wanted[name].sum())):
            if with_wanted[[*taken, name]].all(axis=1).sum() >= enough:
                taken.append(name)
        return [name for name in others if name in taken]

    def select(self, scores: np.ndarray, thresholds: np.ndarray) -> tuple[Selection, ...]:
        """The positives and negatives of each wanted attribute."""
        return tuple(select(scores[:, a], self.n) for a in range(len(self.attributes)))


def _figures(steps: Fit, a: int) -> Row:
    """How well h tells one attribute, where a method says so: (T, A) of each figure. None is known that is NaN at every step."""
    by_step = {f"{name}_by_step": steps[name][:, a] for name in BY_STEP if name in steps}
    row: Row = {column: None if np.isnan(values).all() else values.tolist() for column, values in by_step.items()}
    if "told" in steps and not np.isnan(limit := float(steps["by_chance"][0, a])):
        row |= {"told_by_chance": limit, "above_chance": above_chance(steps["told"][:, a], limit)}
    return row


def kept(h: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some rows of h, ascending, in its own memory: a view of them. What h was is lost."""
    if len(rows) < len(h):
        for some in batches(len(rows), ROWS):
            h[some] = h[rows[some]]  # which lie there, or further on
    return h[: len(rows)]


def gathered(vectors: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """Those of all samples, (A, D), of vectors that come by columns, (R, A, d); and inner products (R, A, 2) of them all."""
    of_all, products = [], []
    for v in vectors:
        of_all.append(v[0].copy())
        products.append(inner_products(v))
    return np.concatenate(of_all, axis=1), np.sum(products, axis=0)


def scaled(vectors: Blocks | np.ndarray, norms: np.ndarray) -> Fit:
    """Vectors (R, A, D), or (R, A, d), some columns after the others, as the fit of a step: at the norms (A,) for all samples."""
    of_all, products = gathered(iter([vectors]) if isinstance(vectors, np.ndarray) else vectors)
    scale = (norms / np.linalg.norm(of_all, axis=1))[:, None]
    return {"vectors": (of_all * scale).astype(np.float32), "products": products * np.square(scale)}
