"""Directions found in single images: what changes most in one of them, or in a region of it, and whether that carries over."""

from dataclasses import dataclass

import pandas as pd

from pipeline.catalog.report.findings import Findings, Row
from pipeline.catalog.report.strips import Card, by_rank, card

SHOWN = 4  # held-out samples in a strip, below the one that the direction was found on


@dataclass(frozen=True)
class Carried:
    """The largest effect of a direction on held-out samples, a row of schemas.effects, and how far that carries over."""

    row: Row
    top: pd.Series
    own: float  # on the sample that the direction was found on
    same_way: float  # share of held-out samples
    inside: dict[str, float]  # squared change per area inside a region over outside, by region


@dataclass(frozen=True)
class Jacobian:
    """`control`: the largest effect of the random directions that these were compared with."""

    cards: list[Card]
    control: float | None
    regions: list[str]
    carried: list[Carried]


def facts(findings: Findings) -> Jacobian | None:
    rows = by_rank(findings, findings.jacobian)
    if not rows:
        return None
    controls = findings.largest_control(row["name"] for row in rows)
    carried = [_carried(findings, row) for row in rows]
    return Jacobian(
        [card(findings, row, SHOWN) for row in rows],
        None if controls is None else float(controls.max()),
        findings.regions,
        [each for each in carried if each],
    )


def _carried(findings: Findings, row: Row) -> Carried | None:
    effects = findings.effects([row["name"]])
    if not effects["effect"].notna().any():
        return None
    top = effects.reset_index(drop=True).loc[lambda table: table["effect"].abs().idxmax()]
    own, same_way = findings.transferred(row["name"], top["strength"], top["attribute"])
    inside = {region: findings.local(row["name"], top["strength"], region) for region in findings.regions}
    return Carried(row, top, own, same_way, inside)
