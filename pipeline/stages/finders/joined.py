"""Joined: directions of one attribute at several capture points, as one direction with one strength."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.annotators.base import Annotator
from pipeline.batches import batches
from pipeline.engine.stage import Need, Resources, Stage, whole
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.estimators.dual import WIDE
from pipeline.estimators.stability import COLUMNS
from pipeline.hspace.capture import union
from pipeline.stages.finders.by_step import BESIDE, VECTORS
from pipeline.stages.finders.finder import Row, fitted_with, names_of, read_directions, write_directions
from pipeline.stages.finders.supervised import Supervised
from pipeline.stages.sources.activations import read_parts, yardstick
from pipeline.stages.sources.source import Source


@dataclass(frozen=True)
class Joined(Stage):
    """A direction an attribute, of as many finders as there are capture points, flattened and one after the other.

    At each step the parts are as long, beside each other, as the standard deviations of h at their points: an offset goes as far
    everywhere. Together they have the norm that they had.
    """

    finders: tuple[Supervised, ...]  # one a capture point, of the same attributes by the same method
    scale: Source  # stored samples of the same model, whose h says what a standard deviation is

    @property
    def fitted_with(self) -> tuple[Annotator, ...]:
        return fitted_with(*self.finders)

    @property
    def attributes(self) -> tuple[str, ...]:
        return self.finders[0].attributes

    @property
    def capture(self) -> str:
        return union(tuple(finder.source.at for finder in self.finders))

    @property
    def names(self) -> tuple[str, ...]:
        suffix = "" if self.capture == self.scale.point else f"@{self.capture}"
        return tuple(f"{attribute}/{self.finders[0].method}{suffix}" for attribute in self.attributes)

    def needs(self, part: int) -> Iterator[Need]:
        yield from whole(*self.finders)
        yield self.scale, yardstick(self.scale)

    def check(self) -> None:
        if len({(finder.attributes, finder.method) for finder in self.finders}) != 1 or len(self.finders) < 2:
            raise UserError(
                "Directions are joined of one method and of the same attributes, at two capture points or more."
            )
        self.scale.check_stored()

    @property
    def resources(self) -> Resources:
        """The directions of all points, and h of the yardstick at one, twice while its parts are put together."""
        sizes = [finder.source.h_size for finder in self.finders]
        rows = len(yardstick(self.scale)) * self.scale.batch
        vectors = VECTORS * self.scale.steps * len(self.attributes) * sum(sizes)
        return Resources(memory=BESIDE + vectors + 4 * rows * max(sizes))

    def part_bytes(self) -> int:
        return 4 * self.scale.steps * len(self.attributes) * sum(finder.source.h_size for finder in self.finders)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        found = [read_directions(store, (finder,)) for finder in self.finders]
        spreads = [self._spreads(finder.source.at, store) for finder in self.finders]
        vectors, rows = {}, []
        for i, name in enumerate(self.names):
            each = [
                vectors_of[names_of(finder)[i]] for finder, (_, vectors_of) in zip(self.finders, found, strict=True)
            ]
            vectors[name] = joined(each, spreads)
            rows.append(self._row(name, [rows_of[i] for rows_of, _ in found]))
        write_directions(out, self, vectors, rows)

    def _row(self, name: str, parts: list[Row]) -> Row:
        warnings = [warning for part in parts for warning in part["warnings"] or ()]
        own = {**dict.fromkeys(COLUMNS), "name": name, "capture": self.capture, "warnings": warnings or None}
        return {**parts[0], **own, **{key: None for key in parts[0] if key.endswith("_by_step")}}

    def _spreads(self, point: str, store: Store) -> np.ndarray:
        """Return the distance of h from its mean at each step (T,), root mean square over samples."""
        seen = self.scale.seen_at(point)
        spreads = []
        for step in range(seen.steps):
            h = np.concatenate([h for _, h in read_parts(store, seen, step, yardstick(self.scale))])
            variances = [h[:, at].var(axis=0, dtype=np.float64) for at in batches(h.shape[1], WIDE)]
            spreads.append(np.sqrt(np.concatenate(variances).sum()))
        return np.array(spreads)


def joined(vectors: list[np.ndarray], spreads: list[np.ndarray]) -> np.ndarray:
    """Directions (T, ...) as one (T, D), each as long at a step as its spread (T,) there, together as long as they were."""
    flat = [v.reshape(len(v), -1).astype(np.float64) for v in vectors]
    scaled = np.concatenate(
        [
            v / np.linalg.norm(v, axis=1, keepdims=True) * spread[:, None]
            for v, spread in zip(flat, spreads, strict=True)
        ],
        axis=1,
    )
    norm = np.sqrt(sum(float(np.square(v).sum()) for v in flat))
    return (scaled * norm / np.linalg.norm(scaled)).astype(np.float32)
