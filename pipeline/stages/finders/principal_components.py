"""PrincipalComponents: the paper's global unsupervised directions, Sec. IV-A, and two ways to tie the steps together."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np

from pipeline.engine.stage import Need, Resources, Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.estimators.component_matching import align_signs, match
from pipeline.estimators.components import Components, components_from_gram, exact_pca
from pipeline.estimators.dual import combine, gram
from pipeline.estimators.pca import components_of
from pipeline.stages.finders.by_step import ByStep, Fit, check_exact, stacked
from pipeline.stages.finders.finder import Row, write_directions
from pipeline.stages.sources.activations import read_parts, read_step
from pipeline.stages.sources.sketches import SketchActivations, Sketched
from pipeline.stages.sources.source import Source

Across = Literal["per-step", "matched", "joint"]

METHODS = {"per-step": "principal-components", "matched": "matched-components", "joint": "joint-components"}
CANDIDATES = 4  # times k: components of a step among which those of its neighbours are looked for
BY_STEP = ("explained_variance_ratio", "well_separated")
PROBE = 512  # samples, about, by whose scores the steps of sketches are matched


@dataclass(frozen=True)
class PrincipalComponents(ByStep):
    """Components of h, one standard deviation long at each step: of samples that are stored exactly, of sketches as they kept them.

    "per-step" is the paper's: direction j is the j-th component of every step, whatever that means there. "matched" pairs the
    components of neighbouring steps that give the samples the same scores. "joint" is one PCA of whole trajectories. A component
    is zero at a step whose h has too few dimensions for it: what is beyond them is rounding.
    """

    version: ClassVar[int] = 4
    grams: ClassVar[float] = 2.5

    sample: Source | Sketched  # stored h, or sketches of it
    k: int  # directions
    across: Across = "per-step"

    @property
    def source(self) -> Source:
        return self.sample.source

    @property
    def method(self) -> str:
        return METHODS[self.across]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"component-{j}/{self.method}{self.source.suffix}" for j in range(self.k))

    @property
    def read(self) -> tuple[Stage, ...]:
        return (self.sample, self.source) if self._probed else (self.sample,)

    def needs_at(self, step: int) -> Iterator[Need]:
        for stage, parts in super().needs_at(step):
            yield stage, self._probe if self._probed and stage == self.source else parts

    def check(self) -> None:
        n = self.source.n
        if not 1 <= self.k <= n // 2:
            raise UserError(f"{self.k} principal components of {n} samples: expected 1 to half as many as samples.")
        if self.across not in get_args(Across):
            raise UserError(
                f"{self.across!r} is no way across the steps; expected one of {', '.join(get_args(Across))}."
            )
        if isinstance(self.sample, Sketched):
            self._check_sketched(self.sample.keep)
        else:
            check_exact(self.source)

    def _check_sketched(self, keep: int) -> None:
        if self.k > keep:
            raise UserError(f"{self.k} principal components of sketches that keep {keep}: ask for fewer, or keep more.")
        if self.across == "joint":
            raise UserError("Sketches are of single steps: joint components need the stored activations.")
        if self.across == "matched":
            self.source.check_stored()

    @property
    def resources(self) -> Resources:
        together = super().resources.memory
        return Resources(memory=together + self.step_resources().memory if self.across == "joint" else together)

    @property
    def found(self) -> int:
        return CANDIDATES * self.k if self.across == "matched" else self.k

    def step_bytes(self) -> int:
        n, scores = self.source.n, 4 * self.found * self.source.n
        return 8 * n * n if self.across == "joint" else super().step_bytes() + scores * (self.across == "matched")

    def fit_step(self, step: int, store: Store) -> Fit:
        if self.across == "joint":
            _, h = read_step(store, self.source, step)
            return {"gram": gram(h, h.mean(axis=0, dtype=np.float64))}
        found = self._components(step, store)
        fit = {"vectors": found.vectors, **{name: getattr(found, name) for name in BY_STEP}}
        if self.across == "matched":
            assert found.scores is not None
            fit["scores"] = found.scores.astype(np.float32)
        return fit

    def _components(self, step: int, store: Store) -> Components:
        k = self.k if self.across == "per-step" else min(CANDIDATES * self.k, self.source.n // 2)
        if not isinstance(self.sample, Sketched):
            _, h = read_step(store, self.source, step)
            return exact_pca(h, k)
        pca = self.sample.merged(store, step).pca
        found = components_of(pca, min(k, self.sample.keep))
        if not self._probed:
            return found
        rows = read_parts(store, self.source, step, self._probe)
        scores = np.concatenate([pca.transform(h)[:, : len(found.vectors)] for _, h in rows])
        lacking = len(found.vectors) - scores.shape[1]  # those that are zero
        return replace(found, scores=np.pad(scores, ((0, 0), (0, lacking))))

    @property
    def _probed(self) -> bool:
        """Whether h of some samples is read beside the sketches."""
        return self.across == "matched" and isinstance(self.sample, SketchActivations)

    @property
    def _probe(self) -> range:
        return range(min(self.source.n_parts, -(-PROBE // self.source.batch)))

    def put_together(self, fits: Iterator[Fit], store: Store, out: Path) -> None:
        """Each way gives vectors (k, T, D), and what is known of them by step, (k, T)."""
        ways = {"per-step": self._per_step, "matched": self._matched, "joint": self._joint}
        vectors, by_step = ways[self.across](fits, store)
        if (there := sum(bool(v.any()) for v in vectors)) < self.k:
            raise UserError(
                f"h of {self.source.n} samples has {there} principal components, and {self.k} were asked for: in other directions "
                f"it does not vary, but for rounding.\nAsk for fewer, or {self.source.more}."
            )
        shape = (self.source.steps, *self.source.h_shape)
        rows: list[Row] = [
            {
                "name": name,
                "method": self.method,
                "capture": self.source.at,
                "component": j,
                "n": self.source.n,
                **{column: values[j].tolist() for column, values in by_step.items()},
            }
            for j, name in enumerate(self.names)
        ]
        write_directions(out, self, {name: v.reshape(shape) for name, v in zip(self.names, vectors, strict=True)}, rows)

    def _joint(self, fits: Iterator[Fit], store: Store) -> tuple[np.ndarray, Fit]:
        """Gram matrices of the steps add up to that of the trajectory."""
        total = next(fits)["gram"]
        for fit in fits:
            total += fit["gram"]
        weights, ratio = components_from_gram(total, self.k)
        vectors = []
        for step in range(self.source.steps):
            _, h = read_step(store, self.source, step)
            vectors.append(combine(weights, h, h.mean(axis=0, dtype=np.float64)))
        return np.stack(vectors, axis=1), {"explained_variance_ratio": np.repeat(ratio[:, None], self.source.steps, 1)}

    def _per_step(self, fits: Iterator[Fit], store: Store) -> tuple[np.ndarray, Fit]:
        steps = stacked(fits)
        return align_signs(steps["vectors"]), {name: steps[name].T for name in BY_STEP}

    def _matched(self, fits: Iterator[Fit], store: Store) -> tuple[np.ndarray, Fit]:
        steps = stacked(fits)
        order, sign = match(steps["scores"], self.k)
        at = np.arange(self.source.steps)[:, None], order
        vectors = steps["vectors"][at] * sign[:, :, None].astype(np.float32)
        found = sign != 0  # at other steps the direction is zero
        return vectors.swapaxes(0, 1), {name: (steps[name][at] * found).T for name in BY_STEP}
