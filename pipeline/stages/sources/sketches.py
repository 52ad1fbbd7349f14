"""Sketches of h, block by block: of activations that are stored, or made while sampling, with no activation ever written.

A block is some thousands of samples. Blocks are sketched by different workers and merged in a tree fixed by their numbers, so the
result does not depend on who was first. A block that grows, because the run is extended, goes on from its saved state.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from torch import Tensor

from pipeline.annotators.base import Annotator, Scorer, check_size
from pipeline.annotators.border import scorer
from pipeline.engine.stage import Need, Resources, Stage, one
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.estimators.halves import halves_of_blocks
from pipeline.estimators.sketch import Sketch, merge_in_tree
from pipeline.fingerprint import PART_BY_PART, hashed_where_set
from pipeline.formats.arrays import write_arrays
from pipeline.formats.parquet import write_table
from pipeline.models.pretrained import LoadedModel
from pipeline.stages import reading
from pipeline.stages.labels.annotate import Annotate, annotator_of
from pipeline.stages.sources.activations import read_parts
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.source import Source, named, number, rows_of, samples_table, storing
from schemas.activations import h_rows

KEEP = 100  # components that a sketch keeps: four times the 25 of the paper
BLOCK = 4096  # samples
MERGING = 4  # sketches that two take while they are merged, with what they are read from
ROWS = 256  # of an update of a sketch, which wait until there are so many

_STEP = re.compile(r"sketch-(\d+)")


@dataclass(frozen=True)
class Sketched(Stage):
    """A stage that has a sketch of every step of every block. A block is whole batches of samples."""

    keep: int = field(default=KEEP, kw_only=True)  # components
    block: int = field(default=BLOCK, kw_only=True)  # samples, about

    @property
    def source(self) -> Source:
        """Where the h is, or was, that is sketched."""
        raise NotImplementedError(f"{type(self).__name__} does not say where h comes from")

    @property
    def scored_by(self) -> Annotator:
        """Whose scores the sums in the sketches are of."""
        raise NotImplementedError(f"{type(self).__name__} does not say whose scores it has")

    @property
    def annotators(self) -> tuple[Annotator, ...]:
        return (self.scored_by,)

    @property
    def full_block(self) -> int:
        """Samples in a full block."""
        return max(1, self.block // self.source.batch) * self.source.batch

    @property
    def blocks(self) -> int:
        return -(-self.source.n // self.full_block)

    def ids_of(self, block: int) -> range:
        """Every sample_id of a block."""
        return range(block * self.full_block, min(self.source.n, (block + 1) * self.full_block))

    def part_of(self, block: int, step: int) -> int:
        """The part that has a step of a block."""
        raise NotImplementedError(f"{type(self).__name__} does not say where its sketches are")

    def block_of(self, part: int) -> int:
        """The block that a part has a sketch of."""
        raise NotImplementedError(f"{type(self).__name__} does not say of what its sketches are")

    def sketch_bytes(self) -> int:
        """About how large the sketch of a step is: kept components in float32, a queue of rows in float16, sums in float64."""
        numbers = 4 * self.keep + 2 * ROWS + 8 * (3 * len(self.scored_by.attributes) + 3)
        return self.source.h_size * numbers

    def held_bytes(self) -> int:
        """About how many bytes of memory a sketch of a step takes: kept components and rows in float32, and sums in float64."""
        return self.source.h_size * (4 * self.keep + 6 * ROWS + 8 * (3 * len(self.scored_by.attributes) + 4))

    def check(self) -> None:
        super().check()
        if self.keep < 2 or self.block < 2 * self.keep:
            raise UserError(
                f"A sketch that keeps {self.keep} components of blocks of {self.block} samples: expected to keep at least 2, "
                "and blocks of at least twice as many samples as it keeps components."
            )

    def merged(self, store: Store, step: int, blocks: Sequence[int] | None = None) -> Sketch:
        """One step of all blocks, or of some."""
        parts = (self.part_of(block, step) for block in (range(self.blocks) if blocks is None else blocks))
        states = (reading.arrays(store, self, self.file_name(step), part) for part in parts)
        return merge_in_tree(map(Sketch.from_state, states)).settled()

    @property
    def halves(self) -> list[tuple[list[int], list[int]]]:
        """The blocks of the two halves of each pair: of full ones, where there are two or more."""
        return halves_of_blocks(self.source.n // self.full_block)

    @property
    def times(self) -> float:
        """How many halves all samples make: more than two where a block is not full, or an odd one."""
        return self.source.n / (self.full_block * max(1, self.source.n // self.full_block // 2))

    def of_halves(self, store: Store, step: int) -> Iterator[Sketch]:
        """One step of each half, the two of a pair after each other."""
        for pair in self.halves:
            for blocks in pair:
                yield self.merged(store, step, blocks)

    def needs_at(self, step: int) -> Iterator[Need]:
        """The parts that have sketches of a step."""
        for part in dict.fromkeys(self.part_of(block, step) for block in range(self.blocks)):
            yield one(self, part)

    def forerunner(self, store: Store, beginning: str, rows: int) -> tuple[int, str | None]:
        """The same part when there were fewer samples: how many it had, and its name; the longest there is, and undamaged."""
        shorter = {int(name.removeprefix(beginning + "-")): name for name in store.finished(self, beginning + "-")}
        for done in sorted(shorter, reverse=True):
            if done < rows and store.unchanged(self, shorter[done]):
                return done, shorter[done]
        return 0, None

    def begun(self, store: Store, step: int, forerunner: str | None) -> Sketch:
        """The sketch that a forerunner left at a step, or an empty one."""
        if forerunner:
            return Sketch.from_state(reading.arrays(store, self, self.file_name(step), forerunner))
        return Sketch(self.keep, self.scored_by.thresholds)

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        if (found := _STEP.match(file)) is None:
            return super().fault(file, part, read, store)
        ids = self.ids_of(number(part) if isinstance(part, str) else self.block_of(part))
        return reading.unlike(read, **_of(ids[: rows_of(part, len(ids))], int(found[1])))

    def file_name(self, step: int) -> str:
        """What holds the sketch of a step, at the capture point that is read."""
        of_several = len(self.source.shapes) > 1 and isinstance(self, Source)
        return f"sketch-{step:03d}-{self.source.at}.safetensors" if of_several else f"sketch-{step:03d}.safetensors"


@dataclass(frozen=True)
class SketchActivations(Sketched):
    """Sketches of activations that are stored. A part is one step of one block."""

    version: ClassVar[int] = 2

    annotate: Annotate = field(metadata=PART_BY_PART)
    annotator: str  # whose scores
    at: str | None = hashed_where_set(kw_only=True)  # the capture point; None is where h is recorded

    @property
    def source(self) -> Source:
        return self.annotate.sample if self.at is None else self.annotate.sample.seen_at(self.at)

    @property
    def scored_by(self) -> Annotator:
        return annotator_of(self.annotate.annotators, self.annotator)

    @property
    def n_parts(self) -> int:
        return self.blocks * self.source.steps

    def part_of(self, block: int, step: int) -> int:
        return block * self.source.steps + step

    def block_of(self, part: int) -> int:
        return part // self.source.steps

    def part_name(self, part: int) -> str:
        block, step = divmod(part, self.source.steps)
        return named(f"{block:05d}-{step:03d}", len(self.ids_of(block)), self.full_block)

    def needs(self, part: int) -> Iterator[Need]:
        parts = self._parts(part // self.source.steps)
        yield self.source, parts
        yield self.annotate, parts

    def part_bytes(self) -> int:
        return self.sketch_bytes()

    @property
    def resources(self) -> Resources:
        """A sketch, as it is and as it is written, and h of a part or two."""
        return Resources(memory=2 * self.held_bytes() + 4 * self.source.batch * self.source.h_size)

    def check(self) -> None:
        super().check()
        _ = self.scored_by
        self.source.check_stored()

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        block, step = divmod(part, self.source.steps)
        ids, parts = self.ids_of(block), self._parts(block)
        scores = self.annotate.scores(store, self.annotator, parts)[list(self.scored_by.attributes)]

        done, shorter = self.forerunner(store, f"{block:05d}-{step:03d}", len(ids))
        sketch = self.begun(store, step, shorter)
        left = parts[done // self.source.batch :]
        for rows, h in read_parts(store, self.source, step, left):
            new = rows >= ids.start + done
            sketch.partial_fit(h[new], scores.loc[rows[new]].to_numpy())
        write_arrays(out / self.file_name(step), {**sketch.state(), **_of(ids, step)})

    def _parts(self, block: int) -> range:
        """The parts of the source that a block holds."""
        ids, batch = self.ids_of(block), self.source.batch
        return range(ids.start // batch, -(-ids.stop // batch))


@dataclass(frozen=True)
class SketchedSample(Sketched, Sample):
    """Samples whose h is sketched by the workers that sample, and not stored. A part is a block."""

    version: ClassVar[int] = 2
    stores_h: ClassVar[bool] = False

    _: KW_ONLY
    annotator: Annotator  # whose scores

    @property
    def source(self) -> Source:
        return self

    @property
    def scored_by(self) -> Annotator:
        return self.annotator

    @property
    def n_parts(self) -> int:
        return self.blocks

    def part_of(self, block: int, step: int) -> int:
        return block

    def block_of(self, part: int) -> int:
        return part

    def sample_ids(self, part: int) -> range:
        return self.ids_of(part)

    def part_name(self, part: int) -> str:
        return named(f"{part:05d}", len(self.ids_of(part)), self.full_block)

    def part_work(self) -> int:
        return self.full_block * self.steps

    def part_samples(self) -> int:
        return self.full_block

    def part_bytes(self) -> int:
        sketches = sum(point.sketch_bytes() for point in self._points)
        return self.full_block * int(np.prod(self.model.image_shape)) + self.steps * sketches

    @property
    def _points(self) -> list["SketchedSample"]:
        """These samples as they are seen at each capture point."""
        return [self.seen_at(point) for point in self.shapes] if len(self.shapes) > 1 else [self]

    @property
    def resources(self) -> Resources:
        """A sketch of every step at every point, and h of a batch at all of them."""
        batch = 6 * self.batch * self.steps * sum(map(prod, self.shapes.values()))
        return Resources(gpus=1, memory=batch + self.steps * sum(point.held_bytes() for point in self._points))

    def check(self) -> None:
        super().check()
        check_size(*self.model.image_shape[1:], self.annotator)

    def setup(self) -> tuple[LoadedModel, Scorer]:  # type: ignore[override]
        return self.load(), scorer(self.annotator)

    def process(self, part: int, store: Store, loaded: tuple[LoadedModel, Scorer], out: Path) -> None:  # type: ignore[override]
        model, score = loaded
        ids = self.ids_of(part)
        done, shorter = self.forerunner(store, f"{part:05d}", len(ids))
        seen = self._points
        sketches = [[point.begun(store, step, shorter) for point in seen] for step in range(self.steps)]
        first = np.cumsum([prod(shape) for shape in self.shapes.values()])[
            :-1
        ]  # of the numbers of each point but the first
        tables = [reading.table(store, self, "samples.parquet", shorter)] if shorter else []

        for start in range(done - done % self.batch, len(ids), self.batch):
            batch = ids[start : start + self.batch]
            kept: list[np.ndarray] = []
            images = self.draw(model, batch, partial(_keep, kept))
            new = slice(max(0, done - start), len(batch))
            scores = score(images)[new]  # of full batches, which round alike
            for by_point, h in zip(sketches, kept, strict=True):
                for sketch, of_point in zip(by_point, np.split(h[new], first, axis=1), strict=True):
                    sketch.partial_fit(np.ascontiguousarray(of_point), scores)
            tables.append(samples_table(batch[new], self.seed, images[new]))

        for step, by_point in enumerate(sketches):
            for point, sketch in zip(seen, by_point, strict=True):
                write_arrays(out / point.file_name(step), {**sketch.state(), **_of(ids, step)})
        write_table(out / "samples.parquet", pa.concat_tables(tables).combine_chunks())


def merged_bytes(sketched: Sketched) -> int:
    """About how many bytes of memory it takes to merge the sketches of a step, of all blocks and of two halves of them."""
    waiting = sketched.blocks.bit_length() + 1  # of a tree
    return (2 + waiting + MERGING) * sketched.held_bytes()


def _of(ids: range, step: int) -> reading.Arrays:
    """Which samples a sketch is of, from the first to the one after the last, and which step."""
    return {"ids": np.array([ids.start, ids.stop]), "step": np.array([step, step])}


def _keep(kept: list[np.ndarray], step: int, timestep: int, h: Tensor) -> None:
    """h of one step, rounded as it would be stored."""
    with storing(step):
        kept.append(h_rows(h.float().numpy()))
