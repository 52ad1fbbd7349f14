"""Profiles: what a direction does in a few words and numbers, so that those that nobody labelled get a name and a rank.

Tables: effects of schemas.effects by one judge, preservation of schemas.preservation, profiles of schemas.profiles.
"""

import numpy as np
import pandas as pd

from pipeline.metrics.calibration import in_valid_range, monotonicity, strength_per_sd, valid_range
from pipeline.metrics.effects import FACE

NAMED = 3  # attributes, at most, in a label
SMALLEST = 0.1  # effect in a label, standard deviations
BEYOND = " (no longer the model's images)"
DUPLICATE = 0.6  # |cosine| from which a direction is nearly another


def profile(
    name: str,
    target: str | None,
    effects: pd.DataFrame,
    preserved: pd.DataFrame,
    scores: pd.DataFrame,
) -> dict:
    """One row of schemas.profiles, but for what compares directions.

    effects, preserved, scores: this direction's, scores with those of the unedited counterparts; by one judge. The target of an
    unsupervised direction is the attribute that it moves most while images are the model's own, and the sense in which that rises
    is the one that is described, where it can be. That there is a face at all is no attribute here.
    """
    effects = effects[effects["attribute"] != FACE]
    wide = effects.pivot(index="strength", columns="attribute", values="effect").sort_index()
    strengths = wide.index.to_numpy(dtype=float)
    fine = preserved.set_index("strength")["realistic"].reindex(wide.index).to_numpy(dtype=bool)
    low, high = valid_range(strengths, fine)
    if target is None:
        target, sense = _moved_most(effects, low, high)
    elif target in wide.columns:
        sense = 1
    else:
        target = None
    row: dict = {"direction": name, "target": target, "valid_low": low, "valid_high": high}
    row |= dict.fromkeys(("strength_per_sd", "strength_by", "strength_in_range"))
    if target is None:
        return row
    found = strength_per_sd(strengths, wide[target].to_numpy(), sense)
    if found:
        at = in_valid_range(found.measured_at, strengths, fine)
        row |= {"strength_per_sd": found.strength, "strength_by": found.by, "strength_in_range": at}
    rising = monotonicity(_by_strength(scores, target))
    row["monotonicity"] = rising if sense > 0 else 1 - rising
    return row | describe(target, sense, effects, preserved)


def describe(target: str, sense: int, effects: pd.DataFrame, preserved: pd.DataFrame) -> dict:
    """Of a row of schemas.profiles, the valid range of a direction and what is to be said of it at the farthest strength within.

    sense: 1 or -1, the sign of the strengths that raise the target. effects, preserved: this direction's, at the same strengths.
    """
    effects = effects[effects["attribute"] != FACE]
    fine = preserved.set_index("strength")["realistic"].reindex(effects["strength"].unique())
    strengths = fine.index.to_numpy(dtype=float)
    low, high = valid_range(strengths, fine.to_numpy(dtype=bool))
    strength, reached = _where(strengths, low, high, sense)
    at = effects[effects["strength"] == np.float32(strength)]
    return {"valid_low": low, "valid_high": high} | _at(at, target, strength, sense, reached)


def _moved_most(effects: pd.DataFrame, low: float, high: float) -> tuple[str | None, int]:
    """The attribute with the largest effect, and the sign that raises it: a significant one, between low and high, if any is."""
    known = effects.dropna(subset="effect")
    if known.empty:
        return None, 1
    within = known[(known["strength"] >= np.float32(low)) & (known["strength"] <= np.float32(high))]
    significant = within[within["significant"].eq(True)]
    of = next(table for table in (significant, within, known) if len(table))
    top = of.loc[of["effect"].abs().idxmax()]
    return str(top["attribute"]), int(np.sign(top["strength"] * top["effect"])) or 1


def _where(strengths: np.ndarray, low: float, high: float, sense: int) -> tuple[float, bool]:
    """The strength to describe a direction at: the farthest within the valid range, where its target rises if that side has one.

    Where nothing is within the valid range it is the least on that side, and False.
    """
    if reached := (high if sense > 0 else low) or (low if sense > 0 else high):
        return reached, True
    side = strengths[strengths * sense > 0]
    return float(min(side if len(side) else strengths, key=abs)), False


def _at(effects: pd.DataFrame, target: str, strength: float, sense: int, reached: bool) -> dict:
    """What is to be said of a direction at one strength."""
    by_attribute = effects.set_index("attribute")
    effect = by_attribute["effect"]
    moved = effect[target] * (1 if np.sign(strength) == sense else -1)  # there may be only the side that lowers it
    off = effect.drop(target).abs().max()
    useful = reached and by_attribute.loc[target, "significant"] is not False
    return {
        "strength": strength,
        "label": label(effect, by_attribute["significant"]) + ("" if reached else BEYOND),
        "on_target": effect[target],
        "off_target": off,
        "usefulness": max(0.0, float(moved - np.nan_to_num(off))) if useful else 0.0,
    }


def label(effect: pd.Series, significant: pd.Series) -> str:
    """As in "yaw +1.8, smile +0.2": the largest effects first, of those that are significant where there is a control."""
    real = effect[significant.ne(False) & (effect.abs() >= SMALLEST)]
    largest = real.loc[real.abs().sort_values(ascending=False, kind="stable").index][:NAMED]
    said = [f"{str(name).replace('_', ' ')} {value:+.1f}" for name, value in largest.items()]
    return ", ".join(said).replace("-", "\N{MINUS SIGN}") or "nothing that the judge reads"


def _by_strength(scores: pd.DataFrame, attribute: str) -> np.ndarray:
    """(n, S) scores of one attribute, strengths rising, 0 among them."""
    own = scores[scores["attribute"] == attribute]
    wide = own.pivot(index="sample_id", columns="strength", values="score").sort_index(axis=1)
    return wide.to_numpy(dtype=np.float64)


def ranks(profiles: list[dict]) -> dict[str, int]:
    """By direction, 1 the most useful: by usefulness, then by the effect on the target."""

    def worth(row: dict) -> tuple[float, float]:
        return (row.get("usefulness") or 0.0, row.get("on_target") or 0.0)

    return {row["direction"]: rank for rank, row in enumerate(sorted(profiles, key=worth, reverse=True), 1)}


def nearest(v: np.ndarray, others: dict[str, np.ndarray]) -> dict:
    """Of `others` the direction with the largest |cosine| to v (T, C, H, W) over the whole trajectory, and how near at each step.

    A step at which either is zero has cosine 0.
    """
    if not others:
        return {}
    cosines = {name: _cosines(v, other) for name, other in others.items()}
    name, (joint, by_step) = max(cosines.items(), key=lambda item: abs(item[1][0]))
    return {
        "nearest": name,
        "nearest_cosine": joint,
        "nearest_cosine_by_step": by_step.tolist(),
        "duplicate": abs(joint) >= DUPLICATE,
    }


def _cosines(a: np.ndarray, b: np.ndarray) -> tuple[float, np.ndarray]:
    """Over the whole trajectory, and at each step (T,)."""
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (a, b))
    products = (a * b).sum(axis=1)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    joint = products.sum() / (np.linalg.norm(a) * np.linalg.norm(b))
    return float(joint), np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
