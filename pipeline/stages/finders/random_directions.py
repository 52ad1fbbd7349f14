"""RandomDirections: the control. What a random offset of the same size does is what a found direction has to beat."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np

from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.fingerprint import fingerprint
from pipeline.hspace.capture import singles
from pipeline.stages.finders.finder import Row, names_of, read_directions, read_rows, write_directions
from pipeline.stages.sources.offsets import offsets
from pipeline.stages.sources.source import Source

if TYPE_CHECKING:
    from pipeline.stages.measures.full_strengths import FullStrengths

Norms = Literal["median", "largest", "each"]


@dataclass(frozen=True)
class RandomDirections(Stage):
    """Gaussian directions, drawn for each step on its own, with the norms of other finders' directions at that step.

    They are added where those are. "median": all have the median of the others' norms; "largest": those of the longest of the
    others; "each": they have the norms and the place of one of the others each, in turn. With full strengths, these norms are of
    offsets at the farther of each one's two, so that a random direction goes as far at strength 1. What is drawn follows from the
    names of the others, so that it stays when these are made in another way; with other names, or other norms, another draw.
    """

    version: ClassVar[int] = 5

    sample: Source  # whose T and h they are for
    like: tuple[Stage, ...]  # finders
    k: int = 6  # of fewer it is not known how far one more would reach, and hardly any effect is told from them
    seed: int = 0
    norms: Norms = "median"
    full: "FullStrengths | None" = None  # how far the others are followed; None is as far as they are long

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"random-{self.fingerprint[:6]}-{i}" for i in range(self.k))

    def check(self) -> None:
        if self.k < 1 or self.norms not in get_args(Norms):
            raise UserError(
                f"{self.k} random directions of {self.norms} norms: expected at least 1, of median, largest or each."
            )

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        found = read_rows(store, self.like)
        far = self._followed(found, store)
        norms = self._norms(found, store)
        if self.norms == "each":
            points = [row["capture"] for row in found]
            norms = [each * times for each, times in zip(norms, far, strict=True)]
        else:
            points = [self._one_point(found)]
            norms = [self._of_all(np.stack(norms) * far[:, None, None])]
        own = int(fingerprint(self.norms, [name for finder in self.like for name in names_of(finder)]), 16)
        vectors, rows = {}, []
        for i, name in enumerate(self.names):
            point = points[i % len(points)]
            vectors[name] = self._drawn(norms[i % len(norms)], point, (self.seed, own, i))
            rows.append({"name": name, "method": "random", "capture": point, "component": i, "n": self.sample.n})
        write_directions(out, self, vectors, rows)

    def _norms(self, found: list[Row], store: Store) -> list[np.ndarray]:
        """The norms (T, P) of the others at each step, at each of the capture points that one is of."""
        several = any(len(singles(row["capture"])) > 1 for row in found)
        vectors = read_directions(store, self.like)[1] if several else {}
        return [
            np.stack(
                [_norm_by_step(v.numpy()) for v in offsets(self.sample, vectors[row["name"]], row["capture"]).values()],
                1,
            )
            if len(singles(row["capture"])) > 1
            else np.array(row["norm_by_step"])[:, None]
            for row in found
        ]

    def _of_all(self, norms: np.ndarray) -> np.ndarray:
        """The norms (T, P) that stand for all others' (n, T, P)."""
        if self.norms == "median":
            return np.median(norms, axis=0)
        return norms[np.argmax(np.linalg.norm(norms, axis=(1, 2)))]

    def _one_point(self, found: list[Row]) -> str:
        points = sorted({row["capture"] for row in found})
        if len(points) > 1:
            raise UserError(
                f"Norms at {' and '.join(points)} have no {self.norms} in common: take those of each, or a control for each point."
            )
        return points[0]

    def _drawn(self, norms: np.ndarray, point: str, seed: tuple[int, ...]) -> np.ndarray:
        """A random direction (T, ...) of these norms (T, P) at a capture point, or at each of several."""
        shape = self.sample.model.h_shape(point) if point != self.sample.at else self.sample.h_shape
        if norms.shape[1] == 1:
            return random_direction(norms[:, 0], (len(norms), *shape), seed)
        drawn = np.random.default_rng(seed).standard_normal((len(norms), *shape)).astype(np.float32)
        parts = offsets(self.sample, drawn, point).values()
        scaled = [
            v.numpy().reshape(len(v), -1) * (norm / _norm_by_step(v.numpy()))[:, None]
            for v, norm in zip(parts, norms.T, strict=True)
        ]
        return np.concatenate(scaled, axis=1).astype(np.float32)

    def _followed(self, found: list[Row], store: Store) -> np.ndarray:
        """The strengths (n,) at which the norms of the others are taken."""
        if self.full is None:
            return np.ones(len(found))
        ends = self.full.ends(store, found)
        return np.array([max(map(abs, ends[row["name"]])) for row in found])


def random_direction(norm_by_step: np.ndarray, shape: tuple[int, ...], seed: tuple[int, ...]) -> np.ndarray:
    """A Gaussian direction of this shape, steps first, with these norms."""
    v = np.random.default_rng(seed).standard_normal(shape)
    scale = norm_by_step / _norm_by_step(v)
    return (v * scale.reshape(-1, *(1,) * (v.ndim - 1))).astype(np.float32)


def _norm_by_step(v: np.ndarray) -> np.ndarray:
    return np.linalg.norm(v.reshape(len(v), -1), axis=1)
