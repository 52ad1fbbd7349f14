"""Where the time of a part goes: seconds by phase, of the thread that makes it.

Whatever is neither loading, reading, writing nor committing is computing.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import local

PHASES = ("load", "read", "compute", "write", "commit")

_current = local()  # of each thread: what one does ahead of another is no time of that one's


@dataclass
class Clock:
    """Seconds by phase, each without those of the phases inside it."""

    phase: str = "compute"
    _seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    _since: float = field(default_factory=lambda: time.monotonic())

    def switch(self, phase: str) -> str:
        """Begin a phase; return the one that it is in the place of."""
        now = time.monotonic()
        self._seconds[self.phase] += now - self._since
        before, self.phase, self._since = self.phase, phase, now
        return before

    @property
    def seconds(self) -> dict[str, float]:
        """The seconds of each phase until now."""
        self.switch(self.phase)
        return {phase: round(seconds, 6) for phase, seconds in self._seconds.items()}


@contextmanager
def timed() -> Iterator[Clock]:
    """A clock of what this thread does in the block."""
    before = getattr(_current, "clock", None)
    _current.clock = clock = Clock()
    try:
        yield clock
    finally:
        _current.clock = before


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Count the block, or the function that this decorates, as one of the phases, where there is a clock."""
    clock: Clock | None = getattr(_current, "clock", None)
    if clock is None:
        yield
        return
    before = clock.switch(name)
    try:
        yield
    finally:
        clock.switch(before)
