"""Figures that other papers report of directions and sliders, from the tables of a published catalog.

A catalog holds means and standard deviations over held-out samples, not the change of each. EPR wants mean absolute changes: here
they are those of normal changes with that mean and that standard deviation.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.catalog.curves import Curve, Curves
from pipeline.metrics.editing_precision import mean_absolute, ratio
from pipeline.metrics.sliders import conceptual_range, conceptual_smoothness, semantic_preservation


class FieldFigures(NamedTuple):
    """Of one direction, by the first judge. NaN is what its tables do not tell."""

    direction: str
    target: str
    strength: float  # of the two ratios: the one of schemas.best, or else the farthest in the valid range
    epr: float  # of changes in the judge's own units, as CASL has it
    epr_in_sd: float  # of changes in standard deviations of each attribute: where a judge's scores are not all logits
    conceptual_range: float  # standard deviations; these three are over strengths in the valid range
    smoothness: float  # 0 are equal steps
    preservation: float  # mean of 1 - MS-SSIM; 0 changes nothing
    monotonicity: float | None  # share of the pairs of strengths that a sample's scores are ordered like
    moved: float = (
        np.nan
    )  # standard deviations, mean absolute change of the target at that strength: above the line of epr_in_sd
    moved_others: float = np.nan  # the same of everything else, on average


def field_figures(curves: Curves) -> dict[str, FieldFigures]:
    """Return the figures of every direction that was measured and has a target, by its name."""
    preserved = curves.catalog.table("preservation.parquet")
    of_direction = dict(list(preserved[~preserved["control"]].groupby("direction", sort=False)))
    best = curves.catalog.optional("best.parquet")
    chosen = {} if best is None else dict(zip(best["direction"], best["strength"].astype(float), strict=True))
    found = {}
    for name, profile in curves.profiles.items():
        curve, target = curves.first(name), profile["target"]
        if curve is not None and target in curve.attributes:
            found[name] = _figures(name, profile, curve, of_direction.get(name), chosen.get(name))
    return found


def _figures(
    name: str, profile: dict, curve: Curve, preserved: pd.DataFrame | None, chosen: float | None
) -> FieldFigures:
    target, sense = profile["target"], -1 if (profile["strength_per_sd"] or 0) < 0 else 1
    strengths, effects = curve.effects(target)
    within = (strengths >= profile["valid_low"]) & (strengths <= profile["valid_high"])
    x, y = strengths[within], sense * effects[within]
    strength = _farthest(x, sense) if chosen is None else chosen
    in_sd = _absolute(curve, strength, target, np.ones(len(curve.attributes)))
    return FieldFigures(
        direction=name,
        target=target,
        strength=strength,
        epr=ratio(*_absolute(curve, strength, target, curve.units)),
        epr_in_sd=ratio(*in_sd),
        conceptual_range=conceptual_range(y) if len(x) > 1 else np.nan,
        smoothness=conceptual_smoothness(x, y),
        preservation=semantic_preservation(x, _distances(curve, preserved, x)),
        monotonicity=profile["monotonicity"],
        moved=in_sd[0],
        moved_others=float(np.nanmean(in_sd[1])) if np.isfinite(in_sd[1]).any() else np.nan,
    )


def _farthest(strengths: np.ndarray, sense: int) -> float:
    """The farthest strength on the side that raises the target, or else on the other; NaN where there is neither."""
    low, high = strengths.min(initial=0.0), strengths.max(initial=0.0)
    raised, lowered = (high, low) if sense > 0 else (low, high)
    return float(raised or lowered or np.nan)


def _absolute(curve: Curve, strength: float, target: str, units: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean absolute change of the target, and of each other attribute, at a measured strength. units: of one SD of each."""
    if np.isnan(strength):
        return float("nan"), np.empty(0)
    at = [curve.at(strength, each) for each in curve.attributes]
    absolute = mean_absolute(np.array([each.mean for each in at]), np.array([each.std for each in at]))
    absolute = np.where(absolute == 0, 0.0, absolute * units)  # what never moves does so in any unit
    mine = np.array(curve.attributes) == target
    return float(absolute[mine][0]), absolute[~mine]


def _distances(curve: Curve, preserved: pd.DataFrame | None, strengths: np.ndarray) -> np.ndarray:
    """1 - MS-SSIM at each of these strengths; NaN where it was not measured."""
    if preserved is None:
        return np.full(len(strengths), np.nan)
    own = preserved[preserved["evaluation"] == curve.evaluation].set_index("strength_index")["ms_ssim"]
    return 1 - np.array([own.get(curve.index(each), np.nan) if each else 1.0 for each in strengths], dtype=float)
