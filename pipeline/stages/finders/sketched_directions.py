"""SketchedDirections: supervised directions from sketches, for samples without number or without stored activations."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np

from pipeline.annotators.base import Annotator
from pipeline.engine.stage import Need, Resources, Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.estimators.sketch import Sketch
from pipeline.estimators.stability import FEWEST, Stability, inner_products
from pipeline.stages.finders.by_step import ByStep, Fit, stacked
from pipeline.stages.finders.finder import Row, write_directions
from pipeline.stages.finders.linear_discriminant import check_shrinkage
from pipeline.stages.sources import sketches
from pipeline.stages.sources.sketches import Sketched
from pipeline.stages.sources.source import Source

Estimator = Literal["mean-difference", "adjusted-difference", "linear-discriminant"]


@dataclass(frozen=True)
class SketchedDirections(ByStep):
    """One direction an attribute, from the sums over the samples above its annotator's threshold, and over the others.

    Which samples are the most typical is not known while they stream by, so both sides are whole: a mean difference of sketches
    is not that of Eq. 11. At each step a direction has the norm of that mean difference.
    """

    version: ClassVar[int] = 2

    sketched: Stage  # SketchActivations or SketchedSample
    attributes: tuple[str, ...]
    estimator: Estimator = "linear-discriminant"
    shrinkage: float = 0.9  # of the discriminants

    @property
    def sketches(self) -> Sketched:
        assert isinstance(self.sketched, Sketched)
        return self.sketched

    @property
    def fitted_with(self) -> tuple[Annotator, ...]:
        return (self.sketches.scored_by,)

    @property
    def source(self) -> Source:
        return self.sketches.source

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{attribute}/{self.method}" for attribute in self.attributes)

    @property
    def method(self) -> str:
        return f"sketched-{self.estimator}"

    def needs_at(self, step: int) -> Iterator[Need]:
        return sketches.needs_at(self.sketches, step)

    def step_resources(self) -> Resources:
        return Resources()

    def check(self) -> None:
        if not isinstance(self.sketched, Sketched):
            raise UserError(f"{self.sketched.name} makes no sketches: give SketchActivations or SketchedSample.")
        if self.estimator not in get_args(Estimator):
            raise UserError(f"{self.estimator!r}: expected one of {', '.join(get_args(Estimator))}.")
        check_shrinkage(self.shrinkage)
        offered = self.sketches.scored_by.attributes
        if not self.attributes or not set(self.attributes) <= set(offered):
            wanted = ", ".join(self.attributes) or "none"
            raise UserError(f"Attributes {wanted}: expected at least one, of {', '.join(offered)}.")
        for name, threshold in zip(offered, self.sketches.scored_by.thresholds, strict=True):
            if name in self.attributes and np.isnan(threshold):
                raise UserError(
                    f"{name} has no threshold, so sketches know no two sides of it. Leave the attribute out."
                )

    def fit_step(self, step: int, store: Store) -> Fit:
        """With two full blocks or more, the halves of the split-half cosine are the even and the odd ones."""
        blocks, full = range(self.sketches.blocks), range(self.source.n // self.sketches.full_block)
        groups = [blocks] if len(full) < 2 else [blocks, full[::2], full[1::2]]
        merged = [sketches.merged(self.sketches, store, step, group) for group in groups]
        self._check_counts(merged[0])
        vectors = np.stack([self._vectors(sketch) for sketch in merged])
        norms = np.linalg.norm(merged[0].sums.mean_differences()[self._wanted], axis=1)
        vectors *= (norms / np.linalg.norm(vectors[0], axis=1))[:, None]
        return {
            "vectors": vectors[0].astype(np.float32),
            "products": inner_products(vectors),
            "counts": merged[0].sums.counts[:, self._wanted],
        }

    def _vectors(self, sketch: Sketch) -> np.ndarray:
        """(A, D)"""
        sums, pca = sketch.sums, sketch.pca
        match self.estimator:
            case "mean-difference":
                return sums.mean_differences()[self._wanted]
            case "adjusted-difference":
                return sums.adjusted_differences()[self._wanted]
        return sums.discriminants(self.shrinkage, pca.components_, pca.explained_variance_)[self._wanted]

    @property
    def _wanted(self) -> list[int]:
        return [self.sketches.scored_by.attributes.index(name) for name in self.attributes]

    def _check_counts(self, sketch: Sketch) -> None:
        for name, positive, negative in zip(self.attributes, *sketch.sums.counts[:, self._wanted], strict=True):
            if min(positive, negative) < FEWEST:
                raise UserError(
                    f"{name}: {positive:.0f} samples above the threshold and {negative:.0f} below; a direction needs at least "
                    f"{FEWEST} on either side.\nTake more samples, or leave the attribute out."
                )

    def put_together(self, fits: Iterator[Fit], store: Store, out: Path) -> None:
        steps = stacked(fits)
        stability = Stability.of(steps["products"].sum(axis=0))
        shape = (self.source.steps, *self.source.h_shape)
        rows = [{**self._row(a, steps["counts"][0, :, a]), **stability.row(a)} for a in range(len(self.names))]
        vectors = {name: steps["vectors"][:, a].reshape(shape) for a, name in enumerate(self.names)}
        write_directions(out, self, vectors, rows)

    def _row(self, a: int, counts: np.ndarray) -> Row:
        positive, negative = (int(count) for count in counts)
        threshold = self.sketches.scored_by.thresholds[self._wanted[a]]
        return {
            "name": self.names[a],
            "method": self.method,
            "attribute": self.attributes[a],
            "annotator": self.sketches.scored_by.name,
            "n": self.source.n,
            "n_positive": positive,
            "n_negative": negative,
            "threshold_positive": threshold,
            "threshold_negative": threshold,
            "base_rate": positive / (positive + negative),
        }
