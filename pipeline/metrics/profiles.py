"""Profiles: what a direction does in a few words and numbers, so that those that nobody labelled get a name and a rank.

A profile is a row of schemas.profiles, by one judge, from the `Response` of the direction.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pipeline.metrics.calibration import (
    BELIEVED,
    NEARER,
    UNLIKE,
    StrengthPerSD,
    Verification,
    in_valid_range,
    monotonicity,
    strength_per_sd,
    valid_range,
    within_reach,
)
from pipeline.metrics.response import Response

NAMED = 3  # attributes, at most, in a label
SMALLEST = 0.1  # effect in a label, standard deviations
LITTLE = 0.5  # standard deviations: what is sure to move nothing as far as this moves nothing
FARTHER = 3.0  # times as much on the side that lowers what a direction is named after, for it to be described there
NOTHING = "nothing that the judge reads"
UNTOLD = ", not told from random directions"
UNREALISTIC = " (no longer the model's images)"
NOT_CONFIRMED = "not confirmed: the opposite, "
DUPLICATE = 0.6  # |cosine| from which a direction is nearly another


def profile(target: str | None, response: Response, scores: pd.DataFrame | None = None) -> dict[str, Any]:
    """Return one profile, but for what compares directions.

    The target of an unsupervised direction (None) is the attribute that it moves most over its whole valid range, and the sense is
    that in which it rises there: with a sense below 0 the direction is published the other way round (`turned`). scores: of
    schemas.scores, by the same judge, those of the direction's edits and of the unedited counterparts; without them it is not known
    how monotonous the target is.
    """
    low, high = valid_range(response.strengths, response.realistic)
    sense, named = 1, target is None
    if target is None:
        target, sense = _moved_most(response, low, high)
    elif target not in response.effect:
        target = None
    row: dict[str, Any] = {"target": target, "valid_low": low, "valid_high": high, "turned": sense < 0}
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
    return row | describe(target, sense, response, named)


def calibrated(row: dict[str, Any]) -> StrengthPerSD | None:
    """Return the strength per standard deviation of a profile; None where it has none."""
    return None if row["strength_per_sd"] is None else StrengthPerSD(row["strength_per_sd"], row["strength_by"])


def verified(
    row: dict[str, Any], measured: Response, verification: Verification, named: bool = False
) -> dict[str, Any]:
    """Return a profile by all that it was made of, and a verification of its strength per standard deviation.

    Without a target or such a strength there is nothing to verify. named: of an unsupervised direction, which is called after what
    it moves.
    """
    target, found = row["target"], calibrated(row)
    if target is None or found is None:
        return row
    sense = 1 if found.strength > 0 else -1
    row = row | describe(target, sense, measured.beside(verification.response), named)
    corrected = verification.verify(found, target, measured)
    if corrected is None:
        return row | {"strength_per_sd": None, "strength_by": None, "strength_in_range": None, "verified": True}
    every = measured.beside(verification.response)
    return row | {
        "strength_per_sd": corrected.strength,
        "strength_by": corrected.by,
        "strength_in_range": in_valid_range(corrected.measured_at, every.strengths, every.realistic),
        "verified": corrected.by == found.by,
    }


def confirmed(
    row: dict[str, Any], measured: Response, fresh: Response, verification: Verification | None = None
) -> dict[str, Any]:
    """Return the profile of an unsupervised direction by samples that had no part in its rank: what is first of many is so partly
    by luck.

    measured, verification: what it was profiled by; fresh: what it does to other samples at the strength that its profile describes
    it at, and at minus that. What it is called, its effects, its valid range and its strength per standard deviation are those of
    fresh samples as far as they go. Its target and its sense stay; where the target moves the other way by more than its sampling
    error, the label says that it is not confirmed.
    """
    target, strength = row["target"], row.get("strength")
    if target is None or strength is None:
        return row
    sense = -1 if row["turned"] else 1
    before = measured.beside(verification.response) if verification else measured
    every = before.beside(fresh)
    low, high = valid_range(every.strengths, every.realistic)
    at = np.arange(len(fresh.strengths)) == np.argmin(np.abs(fresh.strengths - strength))
    inside = (fresh.strengths >= low) & (fresh.strengths <= high)
    here, within = replace(fresh, realistic=inside).where(at), fresh.where(at | inside)
    said = describe(target, sense, here, named=True) | {"strength": strength, "valid_low": low, "valid_high": high}
    effect, error = here.effect[target].iloc[0], 0.0 if here.error is None else here.error[target].iloc[0]
    if effect * row["on_target"] < 0 and abs(effect) > error:
        called = said["label"] if said["label"].startswith(NOTHING) else NOT_CONFIRMED + said["label"]
        return row | said | {"label": called, "usefulness": 0.0} | _per_sd(None, every)
    found = strength_per_sd(within.strengths, within.effect[target].to_numpy(), sense)
    if found and verification:
        nearer = _verified_before(found, target, before, within, verification)
        return row | said | _per_sd(nearer or found, every if nearer else fresh, low, high)
    return row | said | _per_sd(found, fresh, low, high)


def _verified_before(
    found: StrengthPerSD, target: str, before: Response, fresh: Response, verification: Verification
) -> StrengthPerSD | None:
    """The strength per standard deviation by fresh samples and by what a verification showed on others, brought to these.

    None where fresh samples are moved too unlike those for that.
    """
    few = before.effect.iloc[[int(np.argmin(np.abs(before.strengths - each))) for each in fresh.strengths]]
    moved, by = fresh.effect[target].to_numpy(float), few[target].to_numpy(float)
    ratios = np.divide(moved, by, out=np.zeros_like(moved), where=by != 0)
    ratios = ratios[fresh.strengths * verification.response.strengths[:1] > 0]
    if not len(ratios) or not ((ratios > 1 / UNLIKE) & (ratios < UNLIKE)).all():
        return None
    return Verification(verification.response, few.set_axis(fresh.effect.index)).verify(found, target, fresh)


def _per_sd(found: StrengthPerSD | None, response: Response, low: float = 0.0, high: float = 0.0) -> dict[str, Any]:
    """What a profile says of a strength per standard deviation: verified where images were made at about that.

    low, high: the valid range. response: all that it was read off.
    """
    if found is None:
        return {"strength_per_sd": None, "strength_by": None, "strength_in_range": None, "verified": None}
    next_to_it = response.strengths[np.argmin(np.abs(response.strengths - found.measured_at))]
    of_measured = found.measured_at / response.strengths
    return {
        "strength_per_sd": found.strength,
        "strength_by": found.by,
        "strength_in_range": within_reach(found.measured_at, float(next_to_it), low, high),
        "verified": bool(((of_measured >= NEARER) & (of_measured <= BELIEVED)).any()),
    }


def describe(target: str, sense: int, response: Response, named: bool = False) -> dict[str, Any]:
    """Return what a profile says of a direction at the farthest strength in its valid range, and that range.

    sense: 1 or -1, the sign of the strengths that raise the target. named: whether it is called after that.
    """
    low, high = valid_range(response.strengths, response.realistic)
    if named:  # on the side where more of its target moves
        i, reached = _where(response.strengths, low, high, _side(target, sense, response, low, high))
    else:
        i, reached = _where(response.strengths, low, high, sense)
    strength, effect, significant = response.strengths[i], response.effect.iloc[i], response.significant.iloc[i]
    moved = effect[target] * (1 if np.sign(strength) == sense else -1)  # there may be only the side that lowers it
    off = effect.drop(target).abs().max()
    useful = reached and bool(significant.ne(False)[target])
    error = None if response.error is None else response.error.iloc[i]
    said = name(target, effect, significant, error) if named else label(effect, significant, error)
    return {
        "valid_low": low,
        "valid_high": high,
        "strength": strength,
        "label": said + ("" if reached else UNREALISTIC),
        "on_target": effect[target],
        "off_target": off,
        **{figure: None if np.isnan(value) else value for figure, value in response.template.iloc[i].items()},
        "usefulness": max(0.0, float(moved - np.nan_to_num(off))) if useful else 0.0,
    }


def _moved_most(response: Response, low: float, high: float) -> tuple[str | None, int]:
    """The attribute that a direction moves most over its whole valid range, and the sign of the strengths that raise it.

    An attribute is moved by the slope of a straight line through 0 at 0, fitted to all strengths in that range, times its width: so
    what any perturbation does, whatever its sign, does not count. Attributes that are moved by `LITTLE` or more, with a slope
    beyond its sampling error, come before all others. Where nothing was measured in that range, all strengths count. Of a range on
    one side of 0 nothing tells the one from the other, so there the smaller slope counts, of that range and of all strengths, and
    an effect beyond its own error is sure enough.
    """
    values, strengths = response.effect.to_numpy(float), response.strengths
    known = np.isfinite(values)
    within = (strengths >= low) & (strengths <= high)
    if not known[within].any():
        within = np.ones(len(strengths), dtype=bool)
    if not known[within].any():
        return None, 1
    width = max(0.0, strengths[within].max()) - min(0.0, strengths[within].min())
    slope = _slope(strengths[within], values[within])
    one_side = (strengths[within] > 0).all() or (strengths[within] < 0).all()
    sure = response.significant.eq(True).to_numpy()[within].any(axis=0)
    if response.error is not None:
        errors = response.error.to_numpy(float)[within]
        sure = np.abs(slope) > _slope_error(strengths[within], values[within], errors)
        sure |= one_side & (np.abs(values[within]) > errors).any(axis=0)
    if one_side:
        everywhere = _slope(strengths, values)
        both = np.where(slope * everywhere > 0, np.sign(slope) * np.minimum(np.abs(slope), np.abs(everywhere)), 0.0)
        slope = both if both.any() else slope
    moved = width * slope
    told = sure & (np.abs(moved) >= LITTLE)
    candidates = told if told.any() else known[within].any(axis=0)
    most = int(np.argmax(np.where(candidates, np.abs(moved), -1.0)))
    return str(response.effect.columns[most]), -1 if moved[most] < 0 else 1


def _slope(strengths: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The slopes (A,) of straight lines through 0 at 0, fitted to values (S, A) that may be NaN; 0 where nothing is known."""
    known = np.isfinite(values)
    products = (strengths[:, None] * np.where(known, values, 0.0)).sum(axis=0)
    squares = (np.square(strengths)[:, None] * known).sum(axis=0)
    return np.divide(products, squares, out=np.zeros(len(squares)), where=squares > 0)


def _slope_error(strengths: np.ndarray, values: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """By how much these slopes may be off where values may be by errors (S, A): on each side of 0 all the same way, since a sample
    that moves far goes on to, and each side by itself. Infinite where an error is, as of a single sample.
    """
    known = np.isfinite(values)
    weighted = np.abs(strengths)[:, None] * np.where(known & np.isfinite(errors), errors, 0.0)
    sides = np.hypot(*(weighted[side].sum(axis=0) for side in (strengths > 0, strengths < 0)))
    squares = (np.square(strengths)[:, None] * known).sum(axis=0)
    off = np.divide(sides, squares, out=np.zeros(len(squares)), where=squares > 0)
    return np.where((known & ~np.isfinite(errors)).any(axis=0), np.inf, off)


def _side(target: str, sense: int, response: Response, low: float, high: float) -> int:
    """The sign of the strengths that raise a target; the other one where it falls by several times as much, at either end of the
    valid range."""
    effects = {float(at): effect for at, effect in zip(response.strengths, response.effect[target], strict=True)}
    ends = {1: sense * effects.get(high, 0.0), -1: -sense * effects.get(low, 0.0)}
    return sense if not ends[-sense] > FARTHER * ends[sense] else -sense


def _where(strengths: np.ndarray, low: float, high: float, sense: int) -> tuple[int, bool]:
    """Which strength to describe a direction at: the farthest in the valid range, where its target rises if that side has one.

    Where nothing is in the valid range it is the least on that side, and False.
    """
    if reached := (high if sense > 0 else low) or (low if sense > 0 else high):
        return int(np.argmin(np.abs(strengths - reached))), True
    side = np.flatnonzero(strengths * sense > 0)
    places = side if len(side) else np.arange(len(strengths))
    return int(places[np.argmin(np.abs(strengths[places]))]), False


def label(effect: pd.Series, significant: pd.Series, error: pd.Series | None) -> str:
    """Return the largest effects in words, as in "age +1.8, pose +0.2": of those that are significant where there is a control.

    Where none is, those beyond their own sampling error, which random directions may have as well. error: of the effects, by the
    sampling of n; None is not known.
    """
    beyond = effect.abs() > (0.0 if error is None else error)
    real = _largest(effect[significant.ne(False) & (effect.abs() >= SMALLEST)])
    if len(real):
        return _effects(real) + _perhaps(effect, real)
    sure = _largest(effect[beyond & (effect.abs() >= LITTLE)])
    if len(sure):
        return _effects(sure) + UNTOLD + _perhaps(effect, sure)
    return _unsure(effect, error)


def name(target: str, effect: pd.Series, significant: pd.Series, error: pd.Series | None) -> str:
    """Return what an unsupervised direction is called: what it moves most, then what else is significant; with a caution where that
    is not sure. error: as in `label`.
    """
    real = significant.ne(False)
    beyond = error is None or abs(effect[target]) > error[target]
    if not beyond or abs(effect[target]) < (SMALLEST if real[target] else LITTLE):
        return _unsure(effect, error)
    others = effect.drop(target)[real.drop(target) & (effect.drop(target).abs() >= SMALLEST)]
    largest = pd.concat([effect[[target]], _largest(others)[: NAMED - 1]])
    return _effects(largest) + ("" if real[target] else UNTOLD) + _perhaps(effect, largest)


def _largest(effect: pd.Series) -> pd.Series:
    return effect.loc[effect.abs().sort_values(ascending=False, kind="stable").index][:NAMED]


def _unsure(effect: pd.Series, error: pd.Series | None) -> str:
    """What is said where nothing is told: that nothing moves, where errors are small enough to know, or what seems to move most."""
    most = effect.abs().max() if error is None else (effect.abs() + error).max()
    return NOTHING if most < LITTLE else f"too few samples to say, perhaps {_effects(_largest(effect)[:1])}"


def _perhaps(effect: pd.Series, said: pd.Series) -> str:
    """The largest effect that is left out, where it is larger than all that are said: on so few samples it may be chance."""
    left = effect.drop(said.index).dropna()
    if not len(left) or left.abs().max() <= max(LITTLE, said.abs().max()):
        return ""
    return f", perhaps {_effects(left[[left.abs().idxmax()]])}"


def _effects(effect: pd.Series) -> str:
    said = (f"{str(each).replace('_', ' ')} {value:+.1f}" for each, value in effect.items())
    return ", ".join(said).replace("-", "\N{MINUS SIGN}")


def _by_strength(scores: pd.DataFrame, attribute: str) -> np.ndarray:
    """Return the scores (n, S) of one attribute, strengths rising, 0 among them."""
    own = scores[scores["attribute"] == attribute]
    order = own.groupby("strength_index")["strength"].first().sort_values().index
    return own.pivot(index="sample_id", columns="strength_index", values="score")[order].to_numpy(np.float64)


def ranks(profiles: list[dict[str, Any]]) -> dict[str, int]:
    """Return ranks by direction, 1 the most useful: by usefulness, then by the effect on the target, up or down."""

    def worth(row: dict[str, Any]) -> tuple[float, float]:
        return (row.get("usefulness") or 0.0, abs(row.get("on_target") or 0.0))

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
