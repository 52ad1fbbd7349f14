"""Which direction of one catalog is which of another: those of the same meaning, one to one.

Where an attribute has one direction of a meaning in each catalog, these are it. Where there are several, as there are principal
components, they are matched so that the sum of their |cosines| is as large as can be (the Hungarian algorithm, Kuhn 1955), and a
pair that is too unlike is none.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.catalog.compare.meaning import Meaning
from pipeline.catalog.compare.vectors import Cosines, SharedSteps, Vectors, cosines, why_incomparable
from pipeline.catalog.direction_catalog import DirectionCatalog

Row = Mapping[str, Any]  # of schemas.directions


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
    """Matches the directions of two catalogs. least: |cosine| of counterparts that only their vectors tell from others."""

    a: DirectionCatalog
    b: DirectionCatalog
    least: float

    def match(self) -> Matching:
        """Return what belongs together, in the order of the first catalog, and what is left."""
        groups = [_by_meaning(rows) for rows in self._rows]
        matched: list[Matched] = []
        for meaning in dict.fromkeys((*groups[0], *groups[1])):
            matched += self._group(meaning, groups[0].get(meaning, []), groups[1].get(meaning, []))
        order = {row["name"]: place for place, row in enumerate(self._rows[0])}
        found = tuple(sorted(matched, key=lambda each: order[each.a]))
        return Matching(
            found,
            tuple(self._left(self._rows[0], {each.a for each in found}, groups[1])),
            tuple(self._left(self._rows[1], {each.b for each in found}, groups[0])),
        )

    def _group(self, meaning: Meaning, a: list[str], b: list[str]) -> Iterator[Matched]:
        why = why_incomparable(self.a, self.b, meaning.point)
        if not a or not b:
            return
        if meaning.supervised and len(a) == len(b) == 1:
            found = None if why else self._cosines(a[0], b[0], meaning.point)
            yield Matched(a[0], b[0], meaning, found, why)
        elif not why:
            yield from self._assigned(meaning, a, b)

    def _assigned(self, meaning: Meaning, a: list[str], b: list[str]) -> Iterator[Matched]:
        alike = self._units(self._vectors[0], a, meaning, 0) @ self._units(self._vectors[1], b, meaning, 1).T
        for i, j in zip(*linear_sum_assignment(np.abs(alike), maximize=True), strict=True):
            if abs(alike[i, j]) >= self.least:
                yield Matched(a[i], b[j], meaning, self._cosines(a[i], b[j], meaning.point))

    def _units(self, vectors: Vectors, names: Sequence[str], meaning: Meaning, side: int) -> np.ndarray:
        """Directions (n, T D) of norm 1, at the steps that both catalogs have."""
        steps = (self._shared.a, self._shared.b)[side]
        flat = np.stack([vectors.of(name, meaning.point)[steps].ravel() for name in names])
        return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), np.finfo(np.float32).tiny)

    def _cosines(self, a: str, b: str, capture: str) -> Cosines:
        one, other = (vectors.of(name, capture) for vectors, name in zip(self._vectors, (a, b), strict=True))
        return cosines(one[self._shared.a], other[self._shared.b], self._shared.timesteps)

    def _left(self, rows: list[Row], found: set[str], others: Mapping[Meaning, list[str]]) -> Iterator[Alone]:
        for row in rows:
            meaning = Meaning.of(row)
            if row["name"] not in found:
                why = why_incomparable(self.a, self.b, meaning.point) if meaning in others else None
                yield Alone(row["name"], meaning, why)

    @cached_property
    def _rows(self) -> tuple[list[Row], list[Row]]:
        one, other = (catalog.arrow("directions.parquet").to_pylist() for catalog in (self.a, self.b))
        return one, other

    @cached_property
    def _vectors(self) -> tuple[Vectors, Vectors]:
        return Vectors(self.a), Vectors(self.b)

    @cached_property
    def _shared(self) -> SharedSteps:
        return SharedSteps.of(self.a, self.b)


def _by_meaning(rows: list[Row]) -> dict[Meaning, list[str]]:
    groups: dict[Meaning, list[str]] = defaultdict(list)
    for row in rows:
        groups[Meaning.of(row)].append(row["name"])
    return groups
