"""Finders that are fitted step by step: a worker a step, and then the steps put together."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.engine.stage import DERIVED, ON_BEHALF, Need, Resources, Stage, whole
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.estimators.dual import COLUMNS, WIDE
from pipeline.formats.arrays import write_arrays
from pipeline.stages import reading
from pipeline.stages.finders.finder import names_of
from pipeline.stages.sources.sketches import Sketched, merged_bytes
from pipeline.stages.sources.source import Source

EXACT = 20_000  # samples, up to which a worker holds their h and its Gram matrix at one step

BESIDE = 150_000_000  # bytes that libraries and tables take while they work, whatever the samples are, as measured
VECTORS = 32  # bytes for each number of a direction: in float64, scaled, as float32, and as it is written

Fit = dict[str, np.ndarray]  # what was fitted at one step, by name


@dataclass(frozen=True)
class ByStep(Stage):
    """A finder of directions. It says how to fit a step, and what to make of the fits of all steps."""

    grams: ClassVar[float] = 0.0  # matrices (n, n) float64 that the fit of a step holds at once, as measured
    resampled: ClassVar[int] = 1  # fits of each direction, of other weights of the samples

    steps: "Steps" = field(init=False, repr=False, metadata=DERIVED)  # the fits

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", Steps(self))

    @property
    def source(self) -> Source:
        """Where its h comes from."""
        raise NotImplementedError(f"{type(self).__name__} does not say where h comes from")

    def fit_step(self, step: int, store: Store) -> Fit:
        """Fit one step, by what lies in the store."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to fit a step")

    def step_bytes(self) -> int:
        """About how many bytes the fit of a step is: as much as its directions."""
        return 4 * self.found * self.source.h_size

    def step_resources(self) -> Resources:
        """What the fit of a step takes at most: h of all samples, float16, and what it makes of it; of sketches, theirs.

        Of h that is a block of columns in float32, centred and scaled; and the directions as they grow, column by column.
        """
        n, D = self.source.n, self.source.h_size
        of_samples = merged_bytes(self.sketches) if self.sketches else 2 * n * D + 16 * n * min(D, COLUMNS)
        block = self.resampled * self.found * (VECTORS * (D if self.sketches else min(D, WIDE)) + 64 * n)
        return Resources(memory=int(BESIDE + of_samples + 8 * self.grams * n**2 + block + VECTORS * self.found * D))

    @property
    def found(self) -> int:
        """Vectors that the fit of a step gives."""
        return len(names_of(self))

    @property
    def sketches(self) -> Sketched | None:
        """The sketches that the fits read, if they do."""
        return next((stage for stage in self.read if isinstance(stage, Sketched)), None)

    @property
    def resources(self) -> Resources:
        """What it takes to put the steps together: their fits, and the directions as they are written."""
        return Resources(memory=BESIDE + VECTORS * self.source.steps * self.found * self.source.h_size)

    def part_bytes(self) -> int:
        return self.source.steps * 4 * len(names_of(self)) * self.source.h_size

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
        return tuple(stage for stage in self.inputs if stage != self.steps)

    def needs(self, part: int) -> Iterator[Need]:
        return whole(*self.read, self.steps)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        fits = (self.steps.fit(step, store) for step in range(self.steps.n_parts))
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
    """The fits of a finder's steps. A part is a step."""

    version: ClassVar[int] = 3

    finder: ByStep = field(metadata=ON_BEHALF)

    @property
    def name(self) -> str:
        return f"{self.finder.name}-steps"

    @property
    def n_parts(self) -> int:
        return self.finder.source.steps

    def part_bytes(self) -> int:
        return self.finder.step_bytes() + 100_000

    @property
    def resources(self) -> Resources:
        return self.finder.step_resources()

    def needs(self, part: int) -> Iterator[Need]:
        return self.finder.needs_at(part)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        write_arrays(out / "fit.safetensors", {**self.finder.fit_step(part, store), "step": np.array([part])})

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        return reading.unlike(read, step=[part])

    def fit(self, step: int, store: Store) -> Fit:
        """What was fitted at a step."""
        found = reading.arrays(store, self, "fit.safetensors", step)
        return {name: array for name, array in found.items() if name != "step"}
