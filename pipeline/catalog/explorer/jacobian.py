"""Directions found in single images: what changes most in one of them, or in a region of it, and whether that carries over."""

from dataclasses import dataclass

import pandas as pd

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import Row
from pipeline.catalog.templates import Facts


@dataclass(frozen=True)
class Carried:
    """The largest effect of a direction on held-out samples, a row of schemas.effects, and how far that carries over."""

    row: Row
    top: pd.Series
    own: float  # on the sample that the direction was found on
    same_way: float  # share of held-out samples
    inside: dict[str, float]  # squared change per area inside a region over outside, by region


def facts(findings: Findings) -> Facts | None:
    """`control`: the largest effect of the random directions that these were compared with."""
    rows = findings.by_rank(findings.jacobian)
    if not rows:
        return None
    controls = findings.largest_control(row["name"] for row in rows)
    carried = [_carried(findings, row) for row in rows]
    return {
        "mean": any(row["sample_id"] is None for row in rows),
        "control": None if controls is None else float(controls.max()),
        "regions": findings.regions,
        "carried": [each for each in carried if each],
    }


def _carried(findings: Findings, row: Row) -> Carried | None:
    effects = findings.effects([row["name"]])
    if not effects["effect"].notna().any():
        return None
    top = effects.reset_index(drop=True).loc[lambda table: table["effect"].abs().idxmax()]
    edit = row["name"], int(top["strength_index"])
    own, same_way = findings.transferred(edit, top["attribute"])
    inside = {region: findings.local(edit, region) for region in findings.regions}
    return Carried(row, top, own, same_way, inside)
