"""Profiles: what a direction does in a few words and numbers, so that those that nobody labelled get a name and a rank.

A profile is a row of schemas.profiles, by one judge, from the `Response` of the direction.
"""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.metrics.calibration import (
    StrengthPerSD,
    Verification,
    in_valid_range,
    monotonicity,
    strength_per_sd,
    valid_range,
)
from pipeline.metrics.response import Response

NAMED = 3  # attributes, at most, in a label
SMALLEST = 0.1  # effect in a label, standard deviations
UNREALISTIC = " (no longer the model's images)"
DUPLICATE = 0.6  # |cosine| from which a direction is nearly another


def profile(target: str | None, response: Response, scores: pd.DataFrame | None = None) -> dict[str, Any]:
    """Return one profile, but for what compares directions.

    The target of an unsupervised direction (None) is the attribute that it moves most while images are the model's own, and the
    sense in which that rises is the one that is described, where it can be. scores: of schemas.scores, by the same judge, those of
    the direction's edits and of the unedited counterparts; without them it is not known how monotonous the target is.
    """
    low, high = valid_range(response.strengths, response.realistic)
    sense = 1
    if target is None:
        target, sense = _moved_most(response, low, high)
    elif target not in response.effect:
        target = None
    row: dict[str, Any] = {"target": target, "valid_low": low, "valid_high": high}
    row |= dict.fromkeys(("strength_per_sd", "strength_by", "strength_in_range"))
    if target is None:
        return row
    found = strength_per_sd(response.strengths, response.effect[target].to_numpy(), sense)
    if found:
        at = in_valid_range(found.measured_at, response.strengths, response.realistic)
        row |= {"strength_per_sd": found.strength, "strength_by": found.by, "strength_in_range": at}
    if scores is not None:
        rising = monotonicity(_by_strength(scores, target))
        row["monotonicity"] = rising if sense > 0 else 1 - rising
    return row | describe(target, sense, response)


def calibrated(row: dict[str, Any]) -> StrengthPerSD | None:
    """Return the strength per standard deviation of a profile; None where it has none."""
    return None if row["strength_per_sd"] is None else StrengthPerSD(row["strength_per_sd"], row["strength_by"])


def verified(row: dict[str, Any], measured: Response, verification: Verification) -> dict[str, Any]:
    """Return a profile by all that it was made of, and a verification of its strength per standard deviation.

    Without a target or such a strength there is nothing to verify.
    """
    target, found = row["target"], calibrated(row)
    if target is None or found is None:
        return row
    row = row | describe(target, 1 if found.strength > 0 else -1, measured.beside(verification.response))
    corrected = verification.verify(found, target, measured)
    if corrected is None:
        return row | {"strength_per_sd": None, "strength_by": None, "strength_in_range": None, "verified": True}
    same = corrected.by == found.by
    in_range = row["valid_low"] <= corrected.measured_at <= row["valid_high"]
    return row | {
        "strength_per_sd": corrected.strength,
        "strength_by": corrected.by,
        "strength_in_range": bool(verification.response.realistic.all()) if same else in_range,
        "verified": same,
    }


def describe(target: str, sense: int, response: Response) -> dict[str, Any]:
    """Return what a profile says of a direction at the farthest strength in its valid range, and that range.

    sense: 1 or -1, the sign of the strengths that raise the target.
    """
    low, high = valid_range(response.strengths, response.realistic)
    i, reached = _where(response.strengths, low, high, sense)
    strength, effect, significant = response.strengths[i], response.effect.iloc[i], response.significant.iloc[i]
    moved = effect[target] * (1 if np.sign(strength) == sense else -1)  # there may be only the side that lowers it
    off = effect.drop(target).abs().max()
    useful = reached and bool(significant.ne(False)[target])
    return {
        "valid_low": low,
        "valid_high": high,
        "strength": strength,
        "label": label(effect, significant) + ("" if reached else UNREALISTIC),
        "on_target": effect[target],
        "off_target": off,
        **{name: None if np.isnan(value) else value for name, value in response.template.iloc[i].items()},
        "usefulness": max(0.0, float(moved - np.nan_to_num(off))) if useful else 0.0,
    }


def _moved_most(response: Response, low: float, high: float) -> tuple[str | None, int]:
    """The attribute with the largest effect, and the sign that raises it: a significant one, between low and high, if any is."""
    values, strengths = response.effect.to_numpy(float), response.strengths
    known = np.isfinite(values)
    if not known.any():
        return None, 1
    within = known & ((strengths >= low) & (strengths <= high))[:, None]
    significant = within & response.significant.eq(True).to_numpy()
    looked_at = next(cells for cells in (significant, within, known) if cells.any())
    i, a = np.unravel_index(np.argmax(np.where(looked_at, np.abs(values), -1)), values.shape)
    return str(response.effect.columns[a]), int(np.sign(strengths[i] * values[i, a])) or 1


def _where(strengths: np.ndarray, low: float, high: float, sense: int) -> tuple[int, bool]:
    """Which strength to describe a direction at: the farthest in the valid range, where its target rises if that side has one.

    Where nothing is in the valid range it is the least on that side, and False.
    """
    if reached := (high if sense > 0 else low) or (low if sense > 0 else high):
        return int(np.argmin(np.abs(strengths - reached))), True
    side = np.flatnonzero(strengths * sense > 0)
    places = side if len(side) else np.arange(len(strengths))
    return int(places[np.argmin(np.abs(strengths[places]))]), False


def label(effect: pd.Series, significant: pd.Series) -> str:
    """Return the largest effects in words, as in "age +1.8, pose +0.2": of those that are significant where there is a control."""
    real = effect[significant.ne(False) & (effect.abs() >= SMALLEST)]
    largest = real.loc[real.abs().sort_values(ascending=False, kind="stable").index][:NAMED]
    said = [f"{str(name).replace('_', ' ')} {value:+.1f}" for name, value in largest.items()]
    return ", ".join(said).replace("-", "\N{MINUS SIGN}") or "nothing that the judge reads"


def _by_strength(scores: pd.DataFrame, attribute: str) -> np.ndarray:
    """Return the scores (n, S) of one attribute, strengths rising, 0 among them."""
    own = scores[scores["attribute"] == attribute]
    order = own.groupby("strength_index")["strength"].first().sort_values().index
    return own.pivot(index="sample_id", columns="strength_index", values="score")[order].to_numpy(np.float64)


def ranks(profiles: list[dict[str, Any]]) -> dict[str, int]:
    """Return ranks by direction, 1 the most useful: by usefulness, then by the effect on the target."""

    def worth(row: dict[str, Any]) -> tuple[float, float]:
        return (row.get("usefulness") or 0.0, row.get("on_target") or 0.0)

    return {row["direction"]: rank for rank, row in enumerate(sorted(profiles, key=worth, reverse=True), 1)}


def nearest(v: np.ndarray, others: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return which of `others` has the largest |cosine| to v (T, C, H, W) over the whole trajectory, and how near at each step.

    A step at which either is zero has cosine 0.
    """
    if not others:
        return {}
    cosines = {name: cosines_by_step(v, other) for name, other in others.items()}
    name, (joint, by_step) = max(cosines.items(), key=lambda item: abs(item[1][0]))
    return {
        "nearest": name,
        "nearest_cosine": joint,
        "nearest_cosine_by_step": by_step.tolist(),
        "duplicate": abs(joint) >= DUPLICATE,
    }


def cosines_by_step(a: np.ndarray, b: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the cosine of two directions (T, C, H, W) over the whole trajectory, and at each step (T,)."""
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (a, b))
    products = (a * b).sum(axis=1)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    joint = products.sum() / (np.linalg.norm(a) * np.linalg.norm(b))
    return float(joint), np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
