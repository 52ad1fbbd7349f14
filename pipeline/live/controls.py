"""What can be set of a catalog: a slider for each calibrated direction, how far it goes, and what to know of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.catalog.direction import Direction
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.templates import words
from pipeline.errors import UserError

BEYOND = 1.5  # times as far as images were not seen to leave the model's own, a slider goes
AT_LEAST = 2.0  # standard deviations that it goes either way, wherever that was


@dataclass(frozen=True)
class Control:
    """One slider. Strengths are in standard deviations of what the direction changes."""

    name: str  # of the direction
    words: str  # what it changes
    method: str
    label: str  # what it was measured to do
    recommended: bool
    low: float  # how far the slider goes
    high: float
    valid_low: float  # the strengths in which images were not seen to leave the model's own; both 0 where none is
    valid_high: float
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, direction: Direction, recommended: bool) -> "Control":
        """The slider of a direction that has a strength per standard deviation."""
        about, per_sd = direction.about, direction.strength_per_sd
        assert per_sd
        low, high = sorted(each / per_sd + 0.0 for each in about.valid_range or (0.0, 0.0))
        low, high = min(low, 0.0), max(high, 0.0)
        return cls(
            name=direction.name,
            words=words(about.target or direction.attribute or direction.name),
            method=words(direction.name.partition("/")[2] or direction.method),
            label=about.label or "",
            recommended=recommended,
            low=_tenths(min(BEYOND * low, -AT_LEAST)),
            high=_tenths(max(BEYOND * high, AT_LEAST)),
            valid_low=_tenths(low),
            valid_high=_tenths(high),
            warnings=direction.warnings,
        )


@dataclass(frozen=True)
class Controls:
    """The sliders of a catalog: those of the directions to use first, in the order of their attributes."""

    sliders: Mapping[str, Control]  # by the direction's name
    uncalibrated: int  # directions that have none: their strengths are in no standard deviations

    @classmethod
    def of(cls, catalog: DirectionCatalog) -> "Controls":
        """Read them from a catalog."""
        best = [*catalog.recommended.values()]
        names = [*best, *(name for name in catalog if name not in best)]
        calibrated = [catalog[name] for name in names if catalog[name].strength_per_sd]
        return cls(
            {each.name: Control.of(each, each.name in best) for each in calibrated}, len(names) - len(calibrated)
        )

    def checked(self, strengths: Mapping[str, float]) -> dict[str, float]:
        """Return the strengths that are not 0, in one order, so that the same edit is the same sum.

        Raises UserError for a direction that has no slider, and for a strength beyond its ends.
        """
        for name, strength in strengths.items():
            if (slider := self.sliders.get(name)) is None:
                raise UserError(
                    f"The catalog has no direction {name!r} with a strength per standard deviation. "
                    "Choose one from the list of its directions."
                )
            if not slider.low <= strength <= slider.high:
                raise UserError(
                    f"{name!r} can be set from {slider.low:g} to {slider.high:g} standard deviations here, and not to "
                    f"{strength:g}: images were not seen to leave the model's own from {slider.valid_low:g} to "
                    f"{slider.valid_high:g}."
                )
        return {name: strengths[name] for name in sorted(strengths) if strengths[name] != 0}

    def for_page(self) -> list[dict[str, Any]]:
        """The sliders as JSON has them."""
        return [asdict(each) for each in self.sliders.values()]


def _tenths(strength: float) -> float:
    """A tenth of a standard deviation is a slider's step."""
    return round(strength, 1) + 0.0
