"""Two catalogs compared: each direction beside its counterpart, what is recommended, and what of all that matters by bounds."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline.catalog.compare.bounds import Bounds
from pipeline.catalog.compare.effects import EffectChange, EffectChanges, effect_changes
from pipeline.catalog.compare.matching import Alone, Matched, Matcher
from pipeline.catalog.compare.notes import notes, same_noise
from pipeline.catalog.compare.pairs import SamplePairs
from pipeline.catalog.curves import Curves
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.field_figures import FieldFigures, field_figures
from pipeline.catalog.summary import Summary
from pipeline.catalog.templates import signed
from pipeline.errors import UserError

ROUNDING = 1e-6  # by which cosines of the same vectors may differ
LOUDER = 4.0  # times a control limit: of two that are told by four degrees of freedom each, 99 of 100 differ by less


@dataclass(frozen=True)
class Change:
    """A direction of the first catalog beside its counterpart."""

    pair: Matched
    effects: EffectChanges | None
    no_effects: str | None  # why they were not compared
    reasons: tuple[str, ...]  # what of it is beyond the bounds, in words; empty where nothing is
    matters: bool  # whether that counts: of an unsupervised direction only where everything does
    figures: tuple[FieldFigures | None, FieldFigures | None]
    strength_per_sd: tuple[float | None, float | None]

    @property
    def moved(self) -> bool:
        return bool(self.reasons)


@dataclass(frozen=True)
class RecommendedChange:
    """The direction to use of an attribute; None where there is none."""

    attribute: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Comparison:
    """What has changed from the first catalog to the second."""

    first: str  # where they lie
    second: str
    bounds: Bounds
    changes: tuple[Change, ...]
    vanished: tuple[Alone, ...]
    appeared: tuple[Alone, ...]
    recommended: tuple[RecommendedChange, ...]  # of those attributes of which it has changed
    notes: tuple[str, ...]  # what is to be known of the comparison

    @property
    def findings(self) -> list[str]:
        """What matters by the bounds, a sentence each; empty where nothing does."""
        return list(self._findings())

    def _findings(self) -> Iterator[str]:
        yield from (f"{each.name} vanished" for each in self.vanished if self._counts(each))
        yield from (f"{each.name} appeared" for each in self.appeared if self.bounds.everything)
        yield from (f"{each.pair.a}: {'; '.join(each.reasons)}" for each in self.changes if each.matters)
        for each in [each for each in self.recommended if each.before or self.bounds.everything]:
            yield f"recommended for {each.attribute}: {each.before or 'nothing'} before, {each.after or 'nothing'} now"

    def _counts(self, each: Alone) -> bool:
        return each.meaning.supervised or self.bounds.everything


def compare(
    first: str | Path, second: str | Path, bounds: Bounds | None = None, scores: SamplePairs | None = None
) -> Comparison:
    """Compare the catalogs in two folders. scores: those behind them, by which errors are of pairs where the noise was the same.

    Raises UserError where one is no catalog, or nothing of one can be laid beside anything of the other.
    """
    return Comparing(str(first), str(second), bounds or Bounds(), scores).comparison()


@dataclass(frozen=True)
class Comparing:
    """The work of one comparison."""

    first: str
    second: str
    bounds: Bounds
    scores: SamplePairs | None = None

    def comparison(self) -> Comparison:
        a, b = self._catalogs
        found = Matcher(a, b, self.bounds.match, self.bounds.any_method).match()
        samples = self.scores if same_noise(a, b) else None
        effects = [effect_changes(*self._curves, pair, samples) for pair in found.matched]
        known = [each for each in effects if isinstance(each, EffectChanges)]
        if not known and not any(pair.cosines for pair in found.matched):
            raise UserError(
                f"Nothing in {self.second} can be compared with {self.first}: of {len(found.matched)} directions of the same "
                "meaning none has a vector in the same space, or effects by the same judge.\n"
                "Give catalogs of one model, or of the same attributes by the same judge."
            )
        among = sum(len(each.all) for each in known)
        return Comparison(
            self.first,
            self.second,
            self.bounds,
            tuple(self._change(pair, each, among) for pair, each in zip(found.matched, effects, strict=True)),
            found.vanished,
            found.appeared,
            tuple(self._recommended({pair.a: pair.b for pair in found.matched})),
            tuple(notes(a, b, found, known)),
        )

    def _change(self, pair: Matched, effects: EffectChanges | str, among: int) -> Change:
        known = effects if isinstance(effects, EffectChanges) else None
        reasons = (*self._of_vector(pair), *(self._of_effects(known, among) if known else ()))
        return Change(
            pair,
            known,
            None if isinstance(effects, EffectChanges) else effects,
            reasons,
            bool(reasons) and (pair.meaning.supervised or self.bounds.everything),
            (self._figures[0].get(pair.a), self._figures[1].get(pair.b)),
            (self._strength_per_sd(0, pair.a), self._strength_per_sd(1, pair.b)),
        )

    def _strength_per_sd(self, side: int, name: str) -> float | None:
        return self._curves[side].profiles.get(name, {}).get("strength_per_sd")

    def _of_vector(self, pair: Matched) -> Iterator[str]:
        """What has moved of a vector; one without a sign of its own may be turned round."""
        if pair.cosines is None:
            return
        cosine = pair.cosines.over_all if pair.meaning.supervised else abs(pair.cosines.over_all)
        if cosine < self.bounds.cosine - ROUNDING:
            yield f"cosine {signed(cosine).lstrip('+')}"

    def _of_effects(self, effects: EffectChanges, among: int) -> Iterator[str]:
        for each in effects.all:
            large = abs(each.difference.value) > self.bounds.effect
            if large and each.difference.is_real(self.bounds.confidence, among):
                yield f"effect on {each.attribute} {signed(each.before.mean)} to {signed(each.after.mean)}"
        target = effects.target
        if target and target.attribute in effects.no_longer_significant and self._really(target, among):
            yield f"effect on {target.attribute} no longer significant"

    def _really(self, lost: EffectChange, among: int) -> bool:
        """Whether what is no longer significant has changed: the effect less, or its control more, and not by chance.

        Of two catalogs that do the same, an effect near the border is significant in one and not in the other as often as not.
        """
        less = abs(lost.after.mean) < abs(lost.before.mean) and lost.difference.is_real(self.bounds.confidence, among)
        return less or bool(lost.limits[1] > LOUDER * lost.limits[0])

    def _recommended(self, counterparts: dict[str, str]) -> Iterator[RecommendedChange]:
        before, after = (
            {each.attribute: each.direction for each in Summary.of(catalog).recommended} for catalog in self._catalogs
        )
        for attribute in dict.fromkeys((*before, *after)):
            one, other = before.get(attribute), after.get(attribute)
            if other is None or one is None or counterparts.get(one) != other:
                yield RecommendedChange(attribute, one, other)

    @cached_property
    def _catalogs(self) -> tuple[DirectionCatalog, DirectionCatalog]:
        return DirectionCatalog.open(self.first), DirectionCatalog.open(self.second)

    @cached_property
    def _curves(self) -> tuple[Curves, Curves]:
        return Curves(self._catalogs[0]), Curves(self._catalogs[1])

    @cached_property
    def _figures(self) -> tuple[dict[str, FieldFigures], dict[str, FieldFigures]]:
        return field_figures(self._curves[0]), field_figures(self._curves[1])
