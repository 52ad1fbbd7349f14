"""Sketches of h, block by block: of activations that are stored, or made while sampling, with no activation ever written.

A block is some thousands of samples. Blocks are sketched by different workers and merged in a tree fixed by their numbers, so the
result does not depend on who was first. A block that grows, because the run is extended, goes on from its saved state.
"""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from torch import Tensor

from pipeline.annotators.base import Annotator, Scorer
from pipeline.engine.stage import Need, Resources, Stage, one
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.estimators.pca import merge_in_tree
from pipeline.estimators.sketch import Sketch
from pipeline.fingerprint import PART_BY_PART
from pipeline.formats.arrays import write_arrays
from pipeline.formats.parquet import write_table
from pipeline.models.pretrained import LoadedModel
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.sources.activations import read_parts
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.source import Source, named, samples_table
from schemas.activations import h_rows

KEEP = 100  # components that a sketch keeps: four times the 25 of the paper
BLOCK = 4096  # samples


@runtime_checkable
class Sketched(Protocol):
    """A stage that has a sketch of every step of every block."""

    @property
    def source(self) -> Source: ...

    @property
    def scored_by(self) -> Annotator:
        """Whose scores the sums in the sketches are of."""
        ...

    @property
    def keep(self) -> int: ...

    @property
    def blocks(self) -> int: ...

    @property
    def full_block(self) -> int:
        """Samples in a full block: whole batches."""
        ...

    def part_of(self, block: int, step: int) -> int:
        """The part that has a step of a block."""
        ...


def merged(sketched: Sketched, store: Store, step: int, blocks: range | None = None) -> Sketch:
    """One step of all blocks, or of some."""
    assert isinstance(sketched, Stage)
    read = partial(store.vectors, sketched, file_name(step))
    wanted = range(sketched.blocks) if blocks is None else blocks
    states = (Sketch.from_state(read(sketched.part_of(block, step))) for block in wanted)
    return merge_in_tree(enumerate(states), len(wanted)).settled()


def needs_at(sketched: Sketched, step: int) -> Iterator[Need]:
    """The parts that `merged` reads."""
    assert isinstance(sketched, Stage)
    for part in dict.fromkeys(sketched.part_of(block, step) for block in range(sketched.blocks)):
        yield one(sketched, part)


def file_name(step: int) -> str:
    return f"sketch-{step:03d}.safetensors"


@dataclass(frozen=True)
class SketchActivations(Stage):
    """Sketches of activations that are stored. A part is one step of one block."""

    annotate: Annotate = field(metadata=PART_BY_PART)
    annotator: str  # whose scores
    keep: int = KEEP
    block: int = BLOCK

    @property
    def source(self) -> Source:
        return self.annotate.sample

    @property
    def scored_by(self) -> Annotator:
        return self.annotate.annotator(self.annotator)

    @property
    def blocks(self) -> int:
        return -(-self.source.n_parts // self._parts_a_block)

    @property
    def n_parts(self) -> int:
        return self.blocks * self.source.steps

    def part_of(self, block: int, step: int) -> int:
        return block * self.source.steps + step

    def part_name(self, part: int) -> str:
        block, step = divmod(part, self.source.steps)
        return named(f"{block:05d}-{step:03d}", len(self._ids(block)), self.full_block)

    def needs(self, part: int) -> Iterator[Need]:
        parts = self._parts(part // self.source.steps)
        yield self.source, parts
        yield self.annotate, parts

    @property
    def inputs(self) -> tuple[Stage, ...]:
        return (*super().inputs, self.source)

    def part_bytes(self) -> int:
        return sketch_bytes(self.keep, self.source, len(self.scored_by.attributes))

    def check(self) -> None:
        check_sizes(self.keep, self.block)
        self.annotate.check_attributes(self.annotator, ())
        self.source.check_stored()

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        block, step = divmod(part, self.source.steps)
        ids, parts = self._ids(block), self._parts(block)
        scores = self.annotate.scores(store, self.annotator, parts)[list(self.scored_by.attributes)]

        done, shorter = forerunner(self, store, f"{block:05d}-{step:03d}", len(ids))
        sketch = Sketch(self.keep, self.scored_by.thresholds)
        if shorter:
            sketch = Sketch.from_state(store.vectors(self, file_name(step), shorter))
        left = parts[done // self.source.batch :]
        for rows, h in read_parts(store, self.source, step, left):
            new = rows >= ids.start + done
            sketch.partial_fit(h[new], scores.loc[rows[new]].to_numpy())
        write_arrays(out / file_name(step), sketch.state())

    @property
    def full_block(self) -> int:
        return self._parts_a_block * self.source.batch

    @property
    def _parts_a_block(self) -> int:
        return max(1, self.block // self.source.batch)

    def _parts(self, block: int) -> range:
        """The parts of the source that a block holds."""
        first = block * self._parts_a_block
        return range(first, min(first + self._parts_a_block, self.source.n_parts))

    def _ids(self, block: int) -> range:
        parts = self._parts(block)
        return range(self.source.sample_ids(parts[0]).start, self.source.sample_ids(parts[-1]).stop)


@dataclass(frozen=True)
class SketchedSample(Sample):
    """Samples whose h is sketched by the workers that sample, and not stored. A part is a block."""

    stores_h: ClassVar[bool] = False

    _: KW_ONLY
    annotator: Annotator  # whose scores
    keep: int = KEEP
    block: int = BLOCK

    @property
    def source(self) -> Source:
        return self

    @property
    def scored_by(self) -> Annotator:
        return self.annotator

    @property
    def blocks(self) -> int:
        return self.n_parts

    @property
    def n_parts(self) -> int:
        return -(-self.n // self.full_block)

    def part_of(self, block: int, step: int) -> int:
        return block

    def sample_ids(self, part: int) -> range:
        return range(part * self.full_block, min(self.n, (part + 1) * self.full_block))

    def part_name(self, part: int) -> str:
        return named(f"{part:05d}", len(self.sample_ids(part)), self.full_block)

    def part_bytes(self) -> int:
        pixels = int(np.prod(self.model.image_shape))
        return self.full_block * pixels + self.steps * sketch_bytes(self.keep, self, len(self.scored_by.attributes))

    @property
    def resources(self) -> Resources:
        return Resources(gpus=1, memory=self.part_bytes())  # a sketch of every step

    def check(self) -> None:
        super().check()
        check_sizes(self.keep, self.block)

    def setup(self) -> tuple[LoadedModel, Scorer]:  # type: ignore[override]
        return self.load(), self.annotator.load()

    def process(self, part: int, store: Store, loaded: tuple[LoadedModel, Scorer], out: Path) -> None:  # type: ignore[override]
        model, score = loaded
        ids = self.sample_ids(part)
        done, shorter = forerunner(self, store, f"{part:05d}", len(ids))
        sketches = [Sketch(self.keep, self.annotator.thresholds) for _ in range(self.steps)]
        tables: list[pa.Table] = []
        if shorter:
            states = (store.vectors(self, file_name(step), shorter) for step in range(self.steps))
            sketches = [Sketch.from_state(state) for state in states]
            tables = [store.table(self, "samples.parquet", shorter)]

        for start in range(done - done % self.batch, len(ids), self.batch):
            batch = ids[start : start + self.batch]
            kept: list[np.ndarray] = []
            images = self.draw(model, batch, partial(_keep, kept))
            new = slice(max(0, done - start), len(batch))
            scores = score(images)[new]  # of full batches, which round alike
            for sketch, h in zip(sketches, kept, strict=True):
                sketch.partial_fit(h[new], scores)
            tables.append(samples_table(batch[new], self.seed, images[new]))

        for step, sketch in enumerate(sketches):
            write_arrays(out / file_name(step), sketch.state())
        write_table(out / "samples.parquet", pa.concat_tables(tables).combine_chunks())

    @property
    def full_block(self) -> int:
        return max(1, self.block // self.batch) * self.batch


def _keep(kept: list[np.ndarray], step: int, timestep: int, h: Tensor) -> None:
    """h of one step, rounded as it would be stored."""
    kept.append(h_rows(h.float().numpy()))


def forerunner(stage: Stage, store: Store, beginning: str, rows: int) -> tuple[int, str | None]:
    """The same part when there were fewer samples: how many it had, and its name; the longest there is, and undamaged."""
    shorter = {int(name.removeprefix(beginning + "-")): name for name in store.finished(stage, beginning + "-")}
    for done in sorted(shorter, reverse=True):
        if done < rows and store.unchanged(stage, shorter[done]):
            return done, shorter[done]
    return 0, None


def check_sizes(keep: int, block: int) -> None:
    if keep < 2 or block < 2 * keep:
        raise UserError(
            f"A sketch that keeps {keep} components of blocks of {block} samples: expected to keep at least 2, "
            "and blocks of at least twice as many samples as it keeps components."
        )


def sketch_bytes(keep: int, source: Source, attributes: int) -> int:
    """About how large the sketch of a step is: kept components in float32, a queue of rows in float16, sums in float64."""
    return int(np.prod(source.h_shape)) * (4 * keep + 2 * 256 + 8 * (3 * attributes + 3))
