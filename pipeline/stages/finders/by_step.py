"""Finders that are fitted step by step: a worker a step, and then the steps put together."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.engine.stage import Need, Stage, whole
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.formats.arrays import write_arrays
from pipeline.stages.finders.finder import names_of
from pipeline.stages.sources.sketches import Sketched
from pipeline.stages.sources.source import Source

EXACT = 20_000  # samples, up to which a worker holds their h and its Gram matrix at one step

Fit = dict[str, np.ndarray]  # what was fitted at one step, by name


@dataclass(frozen=True)
class ByStep(Stage):
    """A finder of directions. It says how to fit a step, and what to make of the fits of all steps."""

    @property
    def source(self) -> Source:
        """Where its h comes from."""
        raise NotImplementedError(f"{type(self).__name__} does not say where h comes from")

    def fit_step(self, step: int, store: Store) -> Fit:
        """Fit one step, by what lies in the store."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to fit a step")

    def step_bytes(self) -> int:
        """About how many bytes the fit of a step is: as much as its directions."""
        return 4 * len(names_of(self)) * int(np.prod(self.source.h_shape))

    def part_bytes(self) -> int:
        return self.source.steps * 4 * len(names_of(self)) * int(np.prod(self.source.h_shape))

    def put_together(self, fits: Iterator[Fit], store: Store, out: Path) -> None:
        """Write the directions, from the fits of step 0, 1, ... T-1."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its steps make together")

    def needs_at(self, step: int) -> Iterator[Need]:
        """The parts that the fit of a step reads: of sketches those of the step, and all parts of all else."""
        for stage in self.read:
            yield from stage.needs_at(step) if isinstance(stage, Sketched) else whole(stage)

    @property
    def read(self) -> tuple[Stage, ...]:
        """The stages that the fits read."""
        return super().inputs

    @property
    def inputs(self) -> tuple[Stage, ...]:
        return (*self.read, Steps(self))

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        steps = Steps(self)
        fits = (store.vectors(steps, "fit.safetensors", step) for step in range(steps.n_parts))
        self.put_together(fits, store, out)


def check_exact(source: Source) -> None:
    """Raise UserError for more samples than fits take that have all of them before them."""
    if source.n > EXACT:
        raise UserError(
            f"{source.n} samples: fits are exact up to {EXACT}, where Gram matrices fit into memory.\n"
            "Give sketches of the activations (SketchActivations) instead."
        )


def stacked(fits: Iterable[Fit]) -> Fit:
    """The fits of all steps, with T as the first axis."""
    steps = list(fits)
    return {name: np.stack([fit[name] for fit in steps]) for name in steps[0]}


@dataclass(frozen=True)
class Steps(Stage):
    """The steps of a finder. A part is a step."""

    finder: ByStep

    @property
    def name(self) -> str:
        return f"{self.finder.name}-steps"

    @property
    def inputs(self) -> tuple[Stage, ...]:
        return self.finder.read

    @property
    def n_parts(self) -> int:
        return self.finder.source.steps

    def part_bytes(self) -> int:
        return self.finder.step_bytes() + 100_000

    def needs(self, part: int) -> Iterator[Need]:
        return self.finder.needs_at(part)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        write_arrays(out / "fit.safetensors", self.finder.fit_step(part, store))
