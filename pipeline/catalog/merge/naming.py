"""What directions are called in a merged catalog.

Those of the first catalog keep their names. Of a later one whose name is taken: where the direction is the same, bit for bit, it is
there once, as the first catalog that has it measured it; else its catalog's name is added behind it, as in "glow/ridge/second".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.catalog.merge.sources import MergeSource

SAME = ("method", "capture", "attribute", "mask", "parents", "projected_by")  # columns that say what a direction is of


@dataclass(frozen=True)
class Naming:
    """What the directions of one catalog are called after a merge."""

    names: Mapping[str, str]  # by those that they had; also of what another catalog has already
    published: frozenset[str]  # those, by the names that they had, that come from this catalog

    def __call__(self, name: str | None) -> str | None:
        """What is called so now; what is no direction of the catalog, as a random one, keeps its name."""
        return name if name is None else self.names.get(name, name)


def named(sources: Sequence[MergeSource]) -> list[Naming]:
    """Name the directions of every catalog, in their order."""
    taken: dict[str, tuple[MergeSource, Mapping[str, Any]]] = {}
    found = []
    for source in sources:
        names, published = {}, []
        for row in source.rows:
            name = row["name"]
            if name not in taken or not _is_same(taken[name], (source, row)):
                name = _free(name, source.name, taken)
                taken[name] = (source, row)
                published.append(row["name"])
            names[row["name"]] = name
        found.append(Naming(names, frozenset(published)))
    return found


def _free(name: str, catalog: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name = f"{name}/{catalog}"
    return name


def _is_same(one: tuple[MergeSource, Mapping[str, Any]], other: tuple[MergeSource, Mapping[str, Any]]) -> bool:
    """Whether two directions, each a row of a catalog, are of the same and have the same bytes."""
    (source, row), (second, again) = one, other
    if any(row[column] != again[column] for column in SAME):
        return False
    keys, others = source.keys(row), second.keys(again)
    return all(np.array_equal(source.arrays[keys[each]], second.arrays[others[each]]) for each in keys)
