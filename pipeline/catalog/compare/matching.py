"""Which direction of one catalog is which of another: those of the same meaning, one to one.

Where an attribute has one direction of a meaning in each catalog, these are it. Where there are several, as there are principal
components, they are matched so that the sum of their |cosines| is as large as can be (the Hungarian algorithm, Kuhn 1955), and a
pair that is too unlike is none.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.catalog.compare.meaning import Meaning
from pipeline.catalog.compare.vectors import Cosines, SharedSteps, Vectors, cosines, why_incomparable
from pipeline.catalog.direction_catalog import DirectionCatalog


@dataclass(frozen=True)
class Alone:
    """A direction that has no counterpart."""

    name: str
    meaning: Meaning
    why: str | None = None  # it could not be looked for


@dataclass(frozen=True)
class Matched:
    """Two directions of one meaning."""

    a: str
    b: str
    meaning: Meaning
    cosines: Cosines | None  # None where the vectors do not lie in one space
    why_not: str | None = None  # and why


@dataclass(frozen=True)
class Matching:
    """The directions of two catalogs."""

    matched: tuple[Matched, ...]
    vanished: tuple[Alone, ...]
    appeared: tuple[Alone, ...]


@dataclass(frozen=True)
class Matcher:
    """Matches the directions of two catalogs.

    least: |cosine| of counterparts that only their vectors tell from others. any_method: whether they may be of different methods.
    """

    a: DirectionCatalog
    b: DirectionCatalog
    least: float
    any_method: bool = False

    def match(self) -> Matching:
        """Return what belongs together, in the order of the first catalog, and what is left."""
        before, after = self._sides
        groups, others = before.groups(self.any_method), after.groups(self.any_method)
        matched = [found for key in groups if key in others for found in self._group(key, groups[key], others[key])]
        order = list(before.meanings)
        found = tuple(sorted(matched, key=lambda each: order.index(each.a)))
        return Matching(
            found,
            tuple(self._left(before, {each.a for each in found}, others)),
            tuple(self._left(after, {each.b for each in found}, groups)),
        )

    def _group(self, key: Meaning, a: list[str], b: list[str]) -> Iterator[Matched]:
        why = why_incomparable(self.a, self.b, key.point)
        if key.supervised and len(a) == len(b) == 1:
            yield self._matched(a[0], b[0], why)
        elif not why:
            yield from self._assigned(key, a, b)

    def _assigned(self, key: Meaning, a: list[str], b: list[str]) -> Iterator[Matched]:
        before, after = self._sides
        alike = before.units(a, key.point) @ after.units(b, key.point).T
        for i, j in zip(*linear_sum_assignment(np.abs(alike), maximize=True), strict=True):
            if abs(alike[i, j]) >= self.least:
                yield self._matched(a[i], b[j], None)

    def _matched(self, a: str, b: str, why: str | None) -> Matched:
        before, after = self._sides
        meaning = before.meanings[a]
        vectors = (before.vector(a, meaning.point), after.vector(b, meaning.point)) if why is None else None
        return Matched(a, b, meaning, cosines(*vectors, self._shared.timesteps) if vectors else None, why)

    def _left(self, side: "Side", found: set[str], others: Mapping[Meaning, list[str]]) -> Iterator[Alone]:
        for name, meaning in side.meanings.items():
            if name not in found:
                could = meaning.of_any_method(self.any_method) in others
                yield Alone(name, meaning, why_incomparable(self.a, self.b, meaning.point) if could else None)

    @cached_property
    def _shared(self) -> SharedSteps:
        return SharedSteps.of(self.a, self.b)

    @cached_property
    def _sides(self) -> tuple["Side", "Side"]:
        return Side(self.a, self._shared.a), Side(self.b, self._shared.b)


@dataclass(frozen=True)
class Side:
    """The directions of one of two catalogs, at the steps that both have."""

    catalog: DirectionCatalog
    steps: list[int]

    @cached_property
    def meanings(self) -> dict[str, Meaning]:
        """What each direction is of, by its name."""
        return {row["name"]: Meaning.of(row) for row in self.catalog.arrow("directions.parquet").to_pylist()}

    def groups(self, any_method: bool) -> dict[Meaning, list[str]]:
        """The names of the directions of each meaning."""
        found: dict[Meaning, list[str]] = defaultdict(list)
        for name, meaning in self.meanings.items():
            found[meaning.of_any_method(any_method)].append(name)
        return found

    def vector(self, name: str, capture: str) -> np.ndarray:
        """A direction as (T, D)."""
        return self._vectors.of(name, capture)[self.steps]

    def units(self, names: Sequence[str], capture: str) -> np.ndarray:
        """Directions as (n, T D), each of norm 1."""
        flat = np.stack([self.vector(name, capture).ravel() for name in names])
        return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), np.finfo(np.float32).tiny)

    @cached_property
    def _vectors(self) -> Vectors:
        return Vectors(self.catalog)
