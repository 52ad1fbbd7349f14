"""Heat maps: rows of values, and how strong the colour of each is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

STRONGEST = 3.0  # standard deviations; what is larger has the same colour


@dataclass(frozen=True)
class HeatRow:
    """A row of a heat map: the values of a direction at a strength, and which of them is its target."""

    label: str
    values: tuple[float, ...]
    target: int | None = None
    pale: frozenset[int] = frozenset()  # values that are not significant
    strength: float | None = None
    ratio: float | None = None
    clean: bool = True
    at: str | None = None  # the capture point, where it is told
    name: str | None = None  # of the direction, where its cells lead to its pictures


@dataclass(frozen=True)
class HeatMap:
    """Rows of one colour scale from -limit to limit, symmetric around 0. `control`: sizes without a sign, of random directions."""

    columns: Sequence[str]
    rows: Sequence[HeatRow]
    limit: float
    control: tuple[float, ...] | None = None

    def share(self, value: float) -> float:
        """How strong the colour of a value is, 0 to 1."""
        return min(1.0, abs(value) / self.limit) if math.isfinite(value) else 0.0


def limit_for(values: Sequence[float]) -> float:
    """One colour scale for several heat maps: to the largest value, but at least 1 and at most `STRONGEST`."""
    finite = [abs(value) for value in values if math.isfinite(value)]
    return min(STRONGEST, max(1.0, math.ceil(max(finite, default=1.0) * 2) / 2))
