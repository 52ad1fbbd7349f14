"""LinearClassifier: the normal of a linear classifier of h as the direction, step by step or of whole trajectories."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np

from pipeline.batches import batches
from pipeline.engine.stage import Resources, Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.estimators.dual import WIDE, AnyArray, coordinates, gram, moments, projected, standardised_basis
from pipeline.estimators.halves import resamples
from pipeline.estimators.linear import classifiers, difference_weights, mean_difference, refit
from pipeline.estimators.newton_cg import Loss
from pipeline.estimators.selection import folds, sides
from pipeline.estimators.step import Labelled
from pipeline.estimators.told import Quality, quality
from pipeline.stages.finders.by_step import Fit, check_exact
from pipeline.stages.finders.supervised import Supervised, gathered, scaled
from pipeline.stages.sources.activations import read_parts
from pipeline.stages.sources.sketches import SketchActivations, Sketched

FOLDS = 5


@dataclass(frozen=True)
class LinearClassifier(Supervised):
    """Classifiers of all scored samples: ridge regression of the scores, or logistic regression of which are above the threshold.

    The regulariser is chosen, and the figures taken, on samples held out in folds by a hash of sample_id; those of a fold with the
    regulariser that does best on the other folds. Given sketches of stored activations, the classifiers see the components that
    these kept, and any number of samples; else the whole span of the samples.
    """

    grams: ClassVar[float] = 5.5

    loss: Loss = "squared"
    across: Literal["per-step", "joint"] = "per-step"  # joint: one classifier of whole trajectories

    @property
    def estimator(self) -> str:
        estimator = {"squared": "ridge", "logistic": "logistic"}[self.loss]
        return f"joint-{estimator}" if self.across == "joint" else estimator

    @property
    def read(self) -> tuple[Stage, ...]:
        of = self.labels
        return (of, of.annotate, self.source) if isinstance(of, SketchActivations) else super().read

    def check(self) -> None:
        if self.loss not in get_args(Loss):
            raise UserError(f"A loss of {self.loss!r}: expected one of {', '.join(get_args(Loss))}.")
        if self.across not in ("per-step", "joint") or (self.sketched and self.across == "joint"):
            raise UserError(f"Classifiers {self.across!r}: expected per-step, or joint without sketches.")
        super().check()

    def check_samples(self) -> None:
        self.check_selection()
        if not self.sketched:
            check_exact(self.source)

    def step_resources(self) -> Resources:
        memory = super().step_resources().memory
        if not self.sketched:
            return Resources(memory=memory)
        part = 6 * self.source.batch * self.source.h_size
        coordinates, basis = 3 * 8 * self.sketched.keep * self.source.n, 3 * 8 * self.sketched.keep * self.source.h_size
        return Resources(memory=memory + part + coordinates + basis)

    @property
    def resources(self) -> Resources:
        together = super().resources.memory
        return Resources(memory=together + self.step_resources().memory if self.across == "joint" else together)

    def step_bytes(self) -> int:
        return 8 * self.source.n**2 if self.across == "joint" else super().step_bytes()

    def fit_step(self, step: int, store: Store) -> Fit:
        if self.sketched:
            return self._fit_projected(self.sketched, step, store)
        samples = self.samples(step, store)
        mean, std = moments(samples.h)
        products = gram(samples.h, mean, std)
        if self.across == "joint":
            return {"gram": products}
        z, of_samples = coordinates(products)
        normals, figures = self._normals(z, samples.labelled, samples.weights)
        weights = normals.reshape(-1, normals.shape[2]) @ of_samples
        vectors = (v / std[at] for at, v in samples.combined(weights, mean, std))
        return {**scaled(vectors, samples.norms()), **figures}

    def _normals(self, z: AnyArray, labelled: Labelled, weights: np.ndarray) -> tuple[np.ndarray, Fit]:
        """Return the normals (R, A, r) of all resamples in coordinates z (n, r), and figures (A,)."""
        A = len(labelled.selections)
        y = labelled.wanted if self.loss == "squared" else sides(labelled.wanted, labelled.thresholds[:A])
        fold = folds(labelled.ids, FOLDS)
        try:
            fitted = classifiers(z, y, fold, self.loss)
        except ValueError as error:
            raise UserError(f"{', '.join(self.attributes)}: {error}") from error
        normals = refit(z, y, self.loss, fitted.C, weights)
        normals[0] = fitted.coefficients
        each = [
            quality(fitted.held_out[:, a], labelled.scores[:, a], selection, fold, self.loss, labelled.thresholds[a])
            for a, selection in enumerate(labelled.selections)
        ]
        return normals, {**_figures(each), "penalty": 1 / fitted.C}

    def _fit_projected(self, sketched: Sketched, step: int, store: Store) -> Fit:
        """A step in the sketches' components, part by part."""
        merged = sketched.merged(store, step)
        mean, std = merged.sums.moments()
        basis = standardised_basis(merged.pca.components_, std)
        labelled = self.label(store)
        in_difference = difference_weights(labelled.selections, np.ones((len(labelled.ids), 1)))[0]

        z, differences, first = [], np.zeros((len(self.attributes), len(mean))), 0
        for ids, h in read_parts(store, self.source, step, range(self.source.n_parts)):
            h = h[np.isin(ids, labelled.ids)]
            z.append(projected(h, basis, mean, std))
            differences += in_difference[:, first : first + len(h)] @ h.astype(np.float32)
            first += len(h)

        normals, figures = self._normals(np.concatenate(z), labelled, resamples(labelled.ids, labelled.groups))
        R, A, r = normals.shape
        columns = batches(len(mean), WIDE)
        vectors = ((normals.reshape(R * A, r) @ basis[:, at] / std[at]).reshape(R, A, -1) for at in columns)
        return {**scaled(vectors, np.linalg.norm(differences, axis=1)), **figures}

    def put_together(self, fits: Iterator[Fit], store: Store, out: Path) -> None:
        super().put_together(self._joint(fits, store) if self.across == "joint" else fits, store, out)

    def _joint(self, fits: Iterator[Fit], store: Store) -> Iterator[Fit]:
        """The fits of the steps of one classifier: Gram matrices of the steps add up to that of the trajectory."""
        total = next(fits)["gram"]
        for fit in fits:
            total += fit["gram"]
        z, of_samples = coordinates(total)
        labelled = self.label(store)
        normals, figures = self._normals(z, labelled, resamples(labelled.ids, labelled.groups))
        A = len(labelled.selections)
        weights = normals.reshape(-1, normals.shape[2]) @ of_samples

        steps = []
        squares = np.zeros((2, A))  # squared norms of the trajectories: of the normals, and of the mean differences
        for step in range(self.source.steps):
            samples = self.samples(step, store)
            mean, std = moments(samples.h)
            vectors, products = gathered(v / std[at] for at, v in samples.combined(weights, mean, std))
            differences = [mean_difference(samples.h, selection) for selection in labelled.selections]
            squares += np.square(vectors).sum(axis=1), np.square(differences).sum(axis=1)
            steps.append((vectors.astype(np.float32), products))
        scale = np.sqrt(squares[1] / squares[0])
        for vectors, products in steps:
            yield {"vectors": (vectors * scale[:, None]).astype(np.float32), "products": products, **figures}


def _figures(each: list[Quality]) -> Fit:
    """The figures of all attributes, by name: (A,)."""
    names = [*(field.name for field in fields(Quality)), "told"]
    return {name: np.array([getattr(one, name) for one in each]) for name in names}
