"""Where attributes live: what a swap of h takes with it, by capture point and third of the steps, and what was chosen by that."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import point_in_words
from pipeline.catalog.templates import Facts
from pipeline.metrics.choice import ALIKE, PASTED, REACHED

ALL = "In all steps"
THIRDS = ("The noisiest third of the steps", "The middle third", "The last third, where details come")


class Depth(NamedTuple):
    """A capture point, a column of the maps; its h as a shape where it is known, and else as how many numbers it has."""

    point: str
    size: str


@dataclass(frozen=True)
class Cell:
    """The share of the way to the other sample, and its 95 % interval. `found`: whether directions of that row are added there."""

    share: float
    low: float
    high: float
    found: bool

    @property
    def known(self) -> bool:
        """Whether there is an interval: of one pair of samples, and of what is the same in all, there is none."""
        return math.isfinite(self.low)

    @property
    def carried(self) -> bool:
        """Whether it is above 0 beyond its interval."""
        return self.low > 0

    @property
    def strong(self) -> float:
        """How strong its colour is, 0 to 1."""
        return min(1.0, max(0.0, self.share)) if self.carried else 0.0


@dataclass(frozen=True)
class MapRow:
    """An attribute, or a part of the image; `apart` is the first of those. A cell a point, None where nothing was swapped."""

    what: str
    cells: tuple[Cell | None, ...]
    apart: bool


@dataclass(frozen=True)
class Map:
    """Lines over the capture points, of swaps in all steps or in a third of them."""

    title: str
    lines: tuple[MapRow, ...]


@dataclass(frozen=True)
class Candidate:
    """A row of schemas.choice; `first` of its attribute."""

    row: dict
    point: str
    first: bool


def facts(findings: Findings) -> Facts | None:
    """The map of all steps, those of thirds, and the choice that was made by them; each empty where it was not made."""
    table = findings.carriage
    if table is None or table.empty:
        return None
    third = table["third"]
    whole, thirds = table[third.isna()], [(title, table[third == i]) for i, title in enumerate(THIRDS)]
    depths, found = _depths(findings, table), _found(findings)
    return {
        "points": depths,
        "whole": _map(ALL, whole, depths, found) if len(whole) else None,
        "thirds": [_map(title, own, depths, {}) for title, own in thirds if len(own)],
        "outlined": any(found.get(str(what)) for what in whole["what"]),
        "n": sorted({int(table["n"].min()), int(table["n"].max())}),
        "choice": [] if findings.choice is None else _choice(findings.choice),
        "rule": {"reached": REACHED, "pasted": PASTED, "alike": ALIKE},
    }


def _depths(findings: Findings, table: pd.DataFrame) -> list[Depth]:
    """The points in the order of a pass."""
    shapes = {each.point: each.shape for each in findings.catalog.captures}
    once = table.drop_duplicates("point").sort_values("depth")
    return [
        Depth(point, " × ".join(map(str, shapes[point])) if point in shapes else f"{numbers:,} numbers")
        for point, numbers in zip(once["point"], once["numbers"], strict=True)
    ]


def _found(findings: Findings) -> dict[str, set[str]]:
    """The points where directions of each attribute are added."""
    points: dict[str, set[str]] = {}
    for row in findings.supervised:
        points.setdefault(row["attribute"], set()).update(row["capture"].split("+"))
    return points


def _map(title: str, table: pd.DataFrame, depths: list[Depth], found: dict[str, set[str]]) -> Map:
    """Attributes in their order, then what was looked at in the images themselves."""
    kinds = {kind: list(own["what"].unique()) for kind, own in table.groupby("kind")}
    cells = {
        (row.kind, row.what, row.point): Cell(
            float(row.share),
            float(row.low),
            float(row.high),
            row.kind == "attribute" and row.point in found.get(str(row.what), ()),
        )
        for row in table.itertuples()
    }
    lines = [
        MapRow(what, tuple(cells.get((kind, what, each.point)) for each in depths), kind == "pixels" and not i)
        for kind in ("attribute", "pixels")
        for i, what in enumerate(kinds.get(kind, ()))
    ]
    return Map(title, tuple(lines))


def _choice(table: pd.DataFrame) -> list[Candidate]:
    """What was tried, attribute by attribute, the chosen first."""
    order = {name: i for i, name in enumerate(table["attribute"].unique())}
    rows = table.assign(order=table["attribute"].map(order)).sort_values(["order", "rank"]).to_dict("records")
    firsts = [i == 0 or rows[i - 1]["attribute"] != row["attribute"] for i, row in enumerate(rows)]
    return [Candidate(row, point_in_words(row["point"]), first) for row, first in zip(rows, firsts, strict=True)]
