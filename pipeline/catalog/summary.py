"""What a catalog has found, in a few rows: the direction to use of each attribute, and the most useful of the unsupervised ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.explorer.direction import warnings
from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.read import findings
from pipeline.catalog.recommended import best_of_each

RANKED = 3  # unsupervised directions that are shown


@dataclass(frozen=True)
class Recommended:
    """The direction to use of an attribute, and what it does at the strength that was chosen, in standard deviations."""

    attribute: str
    direction: str
    capture: str  # the capture point that it is added at
    strength: float
    strength_per_sd: float | None
    on_target: float  # at that strength: below 0 where it lowers the attribute
    off_target: float
    clean: bool  # nothing else moves by more than a third of the target
    n: int  # held-out samples that the effects are means over
    chosen_on: int | None  # samples that chose the strength; 0 the same ones; None where no effect chose


class Ranked(NamedTuple):
    """An unsupervised direction, what it does in words, and the capture point that it is added at."""

    direction: str
    label: str
    capture: str
    confirmed_n: int | None = (
        None  # samples that the words are of, none of which had a part in the rank; None of the same
    )


@dataclass(frozen=True)
class Summary:
    """What to look at first."""

    directions: int
    captures: tuple[str, ...]  # every capture point that directions are added at
    recommended: tuple[Recommended, ...]
    ranked: tuple[Ranked, ...]  # the most useful of the unsupervised directions first
    without_strength: tuple[str, ...]  # attributes whose direction to use has no strength in its valid range
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, catalog: DirectionCatalog) -> "Summary":
        """Read it from a catalog's folder."""
        found = findings(catalog)
        about = found.catalog
        at = {each.name: each.capture for each in about.directions}
        return cls(
            len(found.directions),
            tuple(each.point for each in about.captures),
            tuple(_recommended(found)),
            tuple(
                Ranked(row["direction"], row["label"] or "", at[row["direction"]], row.get("confirmed_n"))
                for row in found.ranked[:RANKED]
            ),
            tuple(each for each, name in about.recommended.items() if name in found.without_strength),
            tuple(f"{each.what} {each.name}: {each.why}" for each in about.left_out),
            tuple(about.notes),
            tuple(dict.fromkeys(_warnings(found))),
        )


def _warnings(found: Findings) -> Iterator[str]:
    """What is to be known of the directions to use, and of what else there is of their attributes."""
    use = set(found.catalog.recommended.values())
    for row in found.supervised:
        if row["name"] in use:
            yield from (f"{row['name']}: {warning}" for warning in warnings(found, row))
    known = {warning for row in found.supervised if row["name"] in use for warning in row["warnings"] or ()}
    yield from (said for row in found.supervised for said in row["warnings"] or () if said not in known)


def _recommended(found: Findings) -> list[Recommended]:
    """What the direction to use of each attribute does, at its best strength."""
    known = {each.name: each for each in found.catalog.directions}
    return [
        Recommended(
            attribute,
            str(row.name),
            known[str(row.name)].capture,
            float(row["strength"]),
            known[str(row.name)].strength_per_sd,
            float(row["on_target"]) * (1 if row["strength"] > 0 else -1),
            float(row["off_target"]),
            bool(row["clean"]),
            int(row["n"]),
            None if isnan(row["selection_n"]) else int(row["selection_n"]),
        )
        for attribute, row in best_of_each(found).items()
    ]
