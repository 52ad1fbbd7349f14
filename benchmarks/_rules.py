"""Which estimator and which strength rule: what each rule would have got on samples that chose nothing.

A direction is read off straight lines between its measured strengths, from 0 at 0. At *equal effect* all are where their own target
has risen by one standard deviation; what does not rise so far is read where it rises most. A rule sees selection samples alone: it
picks an estimator of each attribute, and a strength, and gets what that does on held-out samples.

A rule takes the place of today's only where its off over on target at equal effect, a geometric mean over attributes of all models
and their seeds, is less than WORTH times today's, and the interval of that is below 1, at a level that all challengers may be asked
at together (Bonferroni). Its repetitions are the attributes of the models: see `_compared.py`.

Shapes: S strengths, A attributes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._compared import Mean, log_ratio, mean_of
from pipeline.metrics.best import in_order, inside
from pipeline.metrics.calibration import strength_of_one_sd, valid_range
from pipeline.metrics.choice import REACHED
from pipeline.metrics.effects import CLEAN, best_strengths
from pipeline.metrics.intervals import TAIL
from pipeline.metrics.response import Response

WORTH = 0.9  # of today's: less of a gain than a tenth is not worth another default
CLEANER = (
    0.1  # share of the directions, by which another strength rule must be clean more often to take the place of today's
)

# Strength rules; today's is the first:
LARGEST, ONE_SD, END = "largest clean", "one standard deviation", "end of the valid range"
CLEANEST = "cleanest that moves it"  # as capture points are chosen: least else, of what moves the target by REACHED
STRENGTH_RULES = (LARGEST, ONE_SD, END, CLEANEST)


@dataclass(frozen=True)
class Reading:
    """What a direction does at a strength, in standard deviations: on its target, and at most on anything else."""

    strength: float
    on: float
    off: float
    reached: bool = True  # whether that is the effect that was asked for

    @property
    def log_ratio(self) -> float:
        return log_ratio(self.on, self.off)

    @property
    def clean(self) -> bool:
        return self.on > 0 and self.off <= CLEAN * self.on


NOTHING = Reading(np.nan, 0.0, 0.0, reached=False)  # what a direction does that a rule finds no strength for


def read_at(response: Response, target: str, strength: float) -> Reading:
    """What a direction does at a strength above 0, no farther than the farthest measured one."""
    above = response.strengths > 0
    x = np.concatenate([[0.0], response.strengths[above]])
    effects = {name: np.interp(strength, x, [0.0, *response.effect.loc[above, name]]) for name in response.effect}
    others = [abs(value) for name, value in effects.items() if name != target and np.isfinite(value)]
    return Reading(strength, float(effects[target]), float(max(others, default=np.nan)))


def at_equal_effect(response: Response, target: str) -> Reading:
    """What a direction does where its target has risen by one standard deviation, or where it rises most."""
    above = response.strengths > 0
    strengths, own = response.strengths[above], response.effect.loc[above, target].to_numpy(float)
    strength = strength_of_one_sd(strengths, own, beyond=1.0)
    if np.isfinite(strength):
        return read_at(response, target, strength)
    found = read_at(response, target, float(strengths[np.argmax(np.nan_to_num(own, nan=-np.inf))]))
    return Reading(found.strength, found.on, found.off, reached=False)


def only(response: Response, strengths: Sequence[float]) -> Response:
    """The response at some of its strengths."""
    kept = np.isclose(response.strengths[:, None], strengths, rtol=1e-4).any(axis=1)
    return Response(
        response.strengths[kept],
        response.effect[kept],
        response.significant[kept],
        response.realistic[kept],
        response.template[kept],
    )


# Rules


@dataclass(frozen=True)
class Candidate:
    """A direction of an attribute, as one estimator makes it."""

    attribute: str
    estimator: str
    selection: Response  # on the samples that choose
    table: pd.DataFrame  # schemas.effects of it on the same, by one judge
    held_out: Response  # on the samples that are reported

    def strength(self, rule: str) -> float:
        """The strength that a rule takes, by selection samples; NaN where none is in the valid range."""
        return self._strengths[rule]

    @cached_property
    def _strengths(self) -> dict[str, float]:
        return {rule: self._chosen(rule) for rule in STRENGTH_RULES}

    def _chosen(self, rule: str) -> float:
        high = valid_range(self.selection.strengths, self.selection.realistic)[1]
        if rule == ONE_SD:
            return at_equal_effect(self.selection, self.attribute).strength
        if high <= 0:
            return np.nan
        if rule == END:
            return high
        if rule == CLEANEST:
            strengths = self.selection.strengths
            at = [
                read_at(self.selection, self.attribute, each)
                for each in strengths[(strengths > 0) & (strengths <= high)]
            ]
            return min(at, key=_cleanest).strength
        within = self.table[inside(self.table["strength"].to_numpy(float), (1e-6, high))]
        best = best_strengths(within, {str(self.table["direction"].iloc[0]): self.attribute})
        return float(best["strength"].iloc[0]) if len(best) else np.nan

    def on_selection(self, rule: str) -> Reading:
        return self._at(self.selection, rule)

    def reported(self, rule: str) -> Reading:
        return self._at(self.held_out, rule)

    def _at(self, response: Response, rule: str) -> Reading:
        strength = self.strength(rule)
        return read_at(response, self.attribute, strength) if np.isfinite(strength) else NOTHING


def _cleanest(reading: Reading) -> tuple[bool, float]:
    """Sorts readings: first those that move their target, by what else moves, then the others by how far they move it."""
    moved = reading.on >= REACHED
    return not moved, reading.log_ratio if moved else -reading.on


Pick = Callable[[Mapping[str, Candidate]], str]  # of an attribute's candidates by estimator, one


def always(estimator: str) -> Pick:
    return lambda candidates: estimator


def best_by_recipe(*estimators: str) -> Pick:
    """As catalogs choose: the largest clean effect, or else the largest ratio, at the strength with the largest clean effect."""

    def pick(candidates: Mapping[str, Candidate]) -> str:
        rows = {name: candidates[name].on_selection(LARGEST) for name in estimators}
        table = pd.DataFrame(
            {name: {"clean": row.clean, "on_target": row.on, "off_target": row.off} for name, row in rows.items()}
        ).T
        return str(in_order(table.astype({"clean": bool, "on_target": float, "off_target": float})).index[0])

    return pick


def best_at_equal_effect(*estimators: str) -> Pick:
    """The one that moves least else where its target has risen by one standard deviation."""
    return lambda candidates: min(estimators, key=lambda name: candidates[name].on_selection(ONE_SD).log_ratio)


def best_by_cleanest(*estimators: str) -> Pick:
    """The one that moves least else of those that move their target, each at its cleanest strength that does."""
    return lambda candidates: min(estimators, key=lambda name: _cleanest(candidates[name].on_selection(CLEANEST)))


TODAY = "better of ridge and discriminant"
TWO, THREE = ("ridge", "linear-discriminant"), ("ridge", "linear-discriminant", "logistic")
PICKS: dict[str, Pick] = {  # all of directions after Eq. 12
    TODAY: best_by_recipe(*TWO),
    "the same, chosen at equal effect": best_at_equal_effect(*TWO),
    "the same, the cleanest that moves it": best_by_cleanest(*TWO),
    "best of three, with logistic": best_by_recipe(*THREE),
    "best of three, chosen at equal effect": best_at_equal_effect(*THREE),
    "always ridge": always("ridge"),
    "always discriminant": always("linear-discriminant"),
    "always logistic": always("logistic"),
    "always mean difference": always("mean-difference"),
}


def outcomes(candidates: Sequence[Candidate], **where: Any) -> Iterator[dict[str, Any]]:
    """A row a (pick, strength rule, attribute): what it got on held-out samples. where: model and seed, for the rows."""
    for attribute in dict.fromkeys(each.attribute for each in candidates):
        own = {each.estimator: each for each in candidates if each.attribute == attribute}
        for pick_name, pick in PICKS.items():
            chosen = own[pick(own)]
            for rule in STRENGTH_RULES:
                got = chosen.reported(rule)
                yield {
                    **where,
                    "attribute": attribute,
                    "pick": pick_name,
                    "strength_rule": rule,
                    "estimator": chosen.estimator,
                    "strength": got.strength,
                    "on": got.on,
                    "off": got.off,
                    "log_ratio": got.log_ratio,
                    "clean": float(got.clean),
                }


# Decisions

PAIRED = ("model", "seed", "attribute")
REPEATED = ("model", "attribute")


def against(table: pd.DataFrame, column: str, what: str, wanted: str, other: str, tail: float = TAIL) -> Mean:
    """By how much a column of the rows where `what` is `wanted` exceeds that of the rows where it is `other`, paired."""
    wide = table.pivot(index=list(PAIRED), columns=what, values=column)
    return mean_of((wide[wanted] - wide[other]).groupby(list(REPEATED)).mean(), tail)


def challenged(table: pd.DataFrame) -> dict[str, Mean]:
    """Of every pick but today's, off over on target as a share of today's at equal effect, with a joint interval."""
    at_one = table[table["strength_rule"] == ONE_SD]
    others = [name for name in at_one["pick"].unique() if name != TODAY]
    tail = TAIL / max(len(others), 1)
    return {name: against(at_one, "log_ratio", "pick", name, TODAY, tail).times() for name in others}


def recommended(found: Mapping[str, Mean]) -> str:
    """The pick to use: today's, unless a challenger is better by more than chance and by enough; of several the best."""
    better = {name: each.value for name, each in found.items() if each.value < WORTH and each.high < 1}
    return min(better, key=lambda name: better[name]) if better else TODAY


def strength_rules(table: pd.DataFrame) -> dict[str, Mean]:
    """Of every strength rule but today's, by how much larger the share of clean directions is, with a joint interval."""
    own = table[table["pick"] == TODAY]
    others = [rule for rule in own["strength_rule"].unique() if rule != LARGEST]
    tail = TAIL / max(len(others), 1)
    return {rule: against(own, "clean", "strength_rule", rule, LARGEST, tail) for rule in others}


def recommended_strength(found: Mapping[str, Mean]) -> str:
    better = {rule: each.value for rule, each in found.items() if each.value > CLEANER and each.low > 0}
    return max(better, key=lambda rule: better[rule]) if better else LARGEST
