"""How long the parts of a stage take: from it follows how many go to a worker at once, and when one is late."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from statistics import median

from pipeline.engine.limits import Limits

KEPT = 101  # the last parts, of which the median is taken


@dataclass
class Pace:
    """Seconds that parts took: those of a worker that had loaded their stage, and those of one that had to load it first."""

    limits: Limits
    _seconds: dict[tuple[Hashable, bool], deque[float]] = field(default_factory=dict)

    def took(self, stage: Hashable, seconds: float, loading: bool) -> None:
        """A part was made in so many seconds, with loading the stage or without."""
        self._seconds.setdefault((stage, loading), deque(maxlen=KEPT)).append(seconds)

    def chunk(self, stage: Hashable) -> int:
        """How many parts to hand over at once: one where they are long, or where nothing is known of them."""
        known = self._seconds.get((stage, False))
        if not known:
            return 1
        return max(1, min(self.limits.most, int(self.limits.chunk / max(median(known), 1e-6))))

    def allowed(self, stage: Hashable, loading: bool, misses: int = 0) -> float | None:
        """Seconds after which a part is late, twice as many for each deadline that it missed; None where nothing is known."""
        known = self._seconds.get((stage, loading))
        if not known:
            return None
        return max(self.limits.floor, self.limits.factor * median(known)) * 2**misses
