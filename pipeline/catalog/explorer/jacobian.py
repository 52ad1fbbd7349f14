"""Directions found in single images: what changes most in one of them, or in a region of it, and whether that carries over."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import Row
from pipeline.catalog.templates import Facts
from pipeline.metrics.effects import SAME


@dataclass(frozen=True)
class Carried:
    """An effect on held-out samples, a row of schemas.effects or of schemas.confirmed, and how far the direction carries over."""

    row: Row
    top: pd.Series
    chosen_of: int  # as many effects on the same samples it is the largest of; 1 where other samples chose it
    lost: bool  # whether images there were seen to leave the model's own
    own: float  # on the sample that the direction was found on
    same_way: float  # share of held-out samples
    inside: dict[str, float]  # squared change per area inside a region over outside, by region


def facts(findings: Findings) -> Facts | None:
    """`control`: the largest effect of the random directions that these were compared with."""
    rows = findings.by_rank(findings.jacobian)
    if not rows:
        return None
    controls = findings.largest_control(row["name"] for row in rows)
    carried = [each for row in rows if (each := _carried(findings, row))]
    return {
        "mean": any(row["sample_id"] is None for row in rows),
        "control": None if controls is None else float(controls.max()),
        "regions": findings.regions,
        "carried": carried,
        "chosen_of": sorted({each.chosen_of for each in carried if each.chosen_of > 1}),
        "fresh": any(each.chosen_of == 1 for each in carried),
        "lost": any(each.lost for each in carried),
    }


def _carried(findings: Findings, row: Row) -> Carried | None:
    """What it does to the samples that it was measured once more on, or else its largest effect."""
    name = row["name"]
    effects = findings.effects([name]).dropna(subset="effect").reset_index(drop=True)
    if effects.empty:
        return None
    top, chosen_of = _measured_again(findings, name), 1
    if top is None:
        top, chosen_of = effects.loc[effects["effect"].abs().idxmax()], len(effects)
    nearest = effects.loc[(effects["strength"] - top["strength"]).abs().idxmin()]
    edit = name, int(nearest["strength_index"])
    own, same_way = findings.transferred(edit, top["attribute"])
    lost = findings.lost(edit) if chosen_of > 1 else top["realistic"] is False
    inside = {region: findings.local(edit, region) for region in findings.regions}
    if not np.isclose(nearest["strength"], top["strength"], rtol=SAME):  # the rest was not measured there
        own, same_way, inside = float("nan"), float("nan"), dict.fromkeys(inside, float("nan"))
    return Carried(row, top, chosen_of, lost, own, same_way, inside)


def _measured_again(findings: Findings, name: str) -> pd.Series | None:
    """What it moves of its target on other samples, at the strength that its profile describes it at."""
    own = findings.of_target(findings.confirmed, name)
    own = own[own["strength_index"] == 0] if len(own) else own
    return None if own.empty else own.astype({"realistic": object, "significant": object}).iloc[0]
