"""How what a direction does has changed, at one strength that both catalogs know: on its target and on everything else."""

from dataclasses import dataclass

import numpy as np

from pipeline.catalog.compare.matching import Matched
from pipeline.catalog.compare.pairs import SamplePairs
from pipeline.catalog.curves import Curve, Curves
from pipeline.metrics.differences import Difference, MeanChange, by_standard_errors


@dataclass(frozen=True)
class EffectChange:
    """An effect on one attribute, in standard deviations, in both catalogs."""

    attribute: str
    before: MeanChange
    after: MeanChange
    difference: Difference
    was_significant: bool | None  # None where there was no control
    is_significant: bool | None
    limits: tuple[float, float] = (np.nan, np.nan)  # of the control, in both; NaN where there was none


@dataclass(frozen=True)
class EffectChanges:
    """The effects of two directions of one meaning at one strength, by one judge."""

    judge: str
    strength: float  # of the first catalog's vector
    strength_after: float  # of the second's: minus that, where its vector points the other way
    read_off: bool  # whether one was not measured at just that strength, but is read off straight lines between those that were
    target: EffectChange | None
    others: tuple[EffectChange, ...]

    @property
    def all(self) -> tuple[EffectChange, ...]:
        return (*([self.target] if self.target else []), *self.others)

    @property
    def now_significant(self) -> tuple[str, ...]:
        """The attributes on which the effect was not significant, and is."""
        return tuple(
            each.attribute for each in self.all if (each.was_significant, each.is_significant) == (False, True)
        )

    @property
    def no_longer_significant(self) -> tuple[str, ...]:
        """The attributes on which the effect was significant, and is not."""
        return tuple(
            each.attribute for each in self.all if (each.was_significant, each.is_significant) == (True, False)
        )

    @property
    def most_changed(self) -> EffectChange | None:
        """Of the others, that with the largest difference."""
        known = [each for each in self.others if np.isfinite(each.difference.value)]
        return max(known, key=lambda each: abs(each.difference.value), default=None)


def effect_changes(a: Curves, b: Curves, pair: Matched, samples: SamplePairs | None = None) -> EffectChanges | str:
    """Return how the effects of two directions differ; or why that cannot be told, in words.

    The strength is that of the first catalog's profile, the farthest at which images still are the model's own, as far as both were
    measured. It is what a vector is multiplied by.
    """
    by_judge, by_judge_after = a.of(pair.a), b.of(pair.b)
    judge = next((judge for judge in by_judge if judge in by_judge_after), None)
    if judge is None:
        return _why_not(list(by_judge), list(by_judge_after))
    before, turned = (
        by_judge[judge],
        pair.cosines is not None and not pair.meaning.supervised and pair.cosines.over_all < 0,
    )
    after = by_judge_after[judge].reversed if turned else by_judge_after[judge]
    profile = a.profiles.get(pair.a, {})
    strength = _strength(before, after, profile.get("strength"))
    if strength is None:
        return "they were measured on different sides of 0"
    target = pair.meaning.attribute or profile.get("target")
    changes = []
    for each in [name for name in before.attributes if name in after.attributes]:
        known = samples.difference((pair.a, pair.b), (before, after), strength, each) if samples else None
        changes.append(_change(before, after, strength, each, known))
    return EffectChanges(
        judge,
        strength,
        -strength if turned else strength,
        not (before.measured(strength) and after.measured(strength)),
        next((each for each in changes if each.attribute == target), None),
        tuple(each for each in changes if each.attribute != target),
    )


def _why_not(before: list[str], after: list[str]) -> str:
    if not before or not after:
        return f"it was not measured in the {'second' if before else 'first'}"
    return f"{', '.join(before)} judged the first and {', '.join(after)} the second: they have no judge in common"


def _strength(before: Curve, after: Curve, wanted: float | None) -> float | None:
    """The strength to compare at: the farthest on the way to the wanted one, or else that next to it; None without one in common.

    It is one of the first catalog's; where the second was measured less far than any of these, it is one of the second's.
    """
    shared = [float(each) for each in before.strengths if after.covers(each)]
    shared = shared or [float(each) for each in after.strengths if before.covers(each)]
    if not shared or not wanted:
        return max(shared, key=lambda each: (abs(each), each), default=None)
    within = [each for each in shared if 0 < each / wanted <= 1 + 1e-6]
    return max(within, key=abs) if within else min(shared, key=lambda each: abs(each - wanted))


def _change(
    before: Curve, after: Curve, strength: float, attribute: str, difference: Difference | None
) -> EffectChange:
    one, other = before.at(strength, attribute), after.at(strength, attribute)
    return EffectChange(
        attribute,
        one,
        other,
        difference or by_standard_errors(one, other),
        before.significant(strength, attribute),
        after.significant(strength, attribute),
        (before.control_limit(strength, attribute), after.control_limit(strength, attribute)),
    )
