"""RandomDirections: the control. What a random offset of the same size does is what a found direction has to beat."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np

from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.fingerprint import fingerprint
from pipeline.stages.finders.finder import Row, names_of, read_rows, write_directions
from pipeline.stages.sources.source import Source

if TYPE_CHECKING:
    from pipeline.stages.measures.full_strengths import FullStrengths

Norms = Literal["median", "largest", "each"]


@dataclass(frozen=True)
class RandomDirections(Stage):
    """Gaussian directions, drawn for each step on its own, with the norms of other finders' directions at that step.

    "median": all have the median of the others' norms; "largest": those of the longest of the others; "each": they have the norms
    of one of the others each, in turn. With full strengths, these norms are of offsets at the farther of each one's two, so that a
    random direction goes as far at strength 1. What is drawn follows from the names of the others, so that it stays when these are
    made in another way; with other names, or other norms, another draw.
    """

    version: ClassVar[int] = 5

    sample: Source  # whose T and h they are for
    like: tuple[Stage, ...]  # finders
    k: int = 3
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
        norms = np.array([row["norm_by_step"] for row in found]) * far[:, None]
        if self.norms == "median":
            norms = np.median(norms, axis=0, keepdims=True)
        elif self.norms == "largest":
            norms = norms[[np.argmax(np.linalg.norm(norms, axis=1))]]
        shape = (self.sample.steps, *self.sample.h_shape)
        own = int(fingerprint(self.norms, [name for finder in self.like for name in names_of(finder)]), 16)
        vectors = {
            name: random_direction(norms[i % len(norms)], shape, (self.seed, own, i))
            for i, name in enumerate(self.names)
        }
        rows = [
            {"name": name, "method": "random", "component": i, "n": self.sample.n} for i, name in enumerate(self.names)
        ]
        write_directions(out, self, vectors, rows)

    def _followed(self, found: list[Row], store: Store) -> np.ndarray:
        """The strengths (n,) at which the norms of the others are taken."""
        if self.full is None:
            return np.ones(len(found))
        ends = self.full.ends(store, found)
        return np.array([max(map(abs, ends[row["name"]])) for row in found])


def random_direction(norm_by_step: np.ndarray, shape: tuple[int, ...], seed: tuple[int, ...]) -> np.ndarray:
    """A Gaussian direction (T, C, H, W) with these norms."""
    v = np.random.default_rng(seed).standard_normal(shape)
    norms = np.linalg.norm(v.reshape(len(v), -1), axis=1)
    return (v * (norm_by_step / norms)[:, None, None, None]).astype(np.float32)
