"""Charts as numbers: what charts.js draws with Observable Plot, at the width that the page has, in its colours, light or dark."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

Point = tuple[float, float]
Tick = tuple[float, str]

SERIES = 8  # colours that the style sheet has for lines of equal rank: c0, c1, ...


@dataclass(frozen=True)
class Line:
    """Points to be joined; what is no number is left out.

    colour: a name of the style sheet: target, other, rank, or c0 to c7. errors: half-lengths of whiskers. share: how strong it is.
    """

    label: str
    points: tuple[Point, ...]
    colour: str
    errors: tuple[float, ...] = ()
    share: float = 1.0


@dataclass(frozen=True)
class Scale:
    """One axis. Without an end the numbers say it; without ticks they are round numbers. percent: shares, written as such."""

    low: float | None = None
    high: float | None = None
    ticks: tuple[Tick, ...] | None = None
    percent: bool = False

    @classmethod
    def of(cls, ticks: Sequence[Tick]) -> "Scale":
        """An axis from the first tick to the last; one without a text is not drawn."""
        return cls(ticks[0][0], ticks[-1][0], tuple(tick for tick in ticks if tick[1]))


@dataclass(frozen=True)
class Chart:
    """Lines over a grid. band: (x, low, high) of an area behind them; baseline: a value that has a line of its own."""

    lines: tuple[Line, ...]
    x: Scale = Scale()
    y: Scale = Scale()
    band: tuple[tuple[float, float, float], ...] = ()
    baseline: float | None = None

    def spec(self) -> dict[str, Any]:
        """The chart as JSON has it."""
        return finite(asdict(self))


def finite(value: Any) -> Any:
    """Return the same as JSON can have it: None for what is no number."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def step_ticks(timesteps: Sequence[int], n: int = 6) -> list[Tick]:
    """Every step, at most n of them with their timestep as a label, the first and the last always."""
    last = len(timesteps) - 1
    labelled = {round(i * last / (n - 1)) for i in range(n)} if last else {0}
    return [(step, str(timestep) if step in labelled else "") for step, timestep in enumerate(timesteps)]


def by_step(label: str, values: Sequence[float], colour: str, share: float = 1.0) -> Line:
    """A line over the steps."""
    return Line(label, tuple((float(step), float(value)) for step, value in enumerate(values)), colour, share=share)
