"""Attempts at a part, and what the deaths of workers say of the parts that they were making.

Workers die for reasons of their own: a lost machine, a kill. A part whose worker died and that was made afterwards tells how often
that happens. A part is given up when its workers died so often that among such parts it would be no bad luck any more.
"""

from collections import Counter
from dataclasses import dataclass, field

from pipeline.engine.limits import Limits
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store

VAIN = 3  # times as many deaths as a part is given, without one part finished: then the whole stage is given up


@dataclass(eq=False, slots=True)
class Order:
    """A part that is to be made, and how that went until now."""

    stage: Stage
    part: int
    store: Store
    alone: bool = False  # it was among several whose worker died: which of them it was, only one at a time can tell
    deaths: int = 0  # of workers that were making it alone, on machines that live
    misses: int = 0  # of its deadline
    open: int = 1  # attempts that wait or are under way
    done: bool = False

    def goes_with(self, other: "Order") -> bool:
        """Whether a worker may be given both at once."""
        return self.stage is other.stage and self.store is other.store and not (self.alone or self.done)


@dataclass
class Attempts:
    """Judges which parts are to be given up."""

    limits: Limits
    finished: Counter[Stage] = field(default_factory=Counter)
    dead: Counter[Stage] = field(default_factory=Counter)
    innocent: int = 0  # deaths over parts that were finished later

    def made(self, order: Order) -> None:
        """A part was made, or failed by itself: no worker's death was its fault."""
        self.finished[order.stage] += 1
        self.innocent += order.deaths

    def died(self, order: Order) -> bool:
        """A worker died while it was making this part alone. Whether the part is to be given up."""
        order.deaths += 1
        self.dead[order.stage] += 1
        return order.deaths >= self.limits.attempts and self.by_accident**order.deaths <= self.limits.bad_luck

    def in_vain(self, stage: Stage) -> bool:
        """Whether every part of a stage seems to kill its worker."""
        return not self.finished[stage] and self.dead[stage] >= VAIN * self.limits.attempts

    @property
    def by_accident(self) -> float:
        """How likely an attempt ends with the death of its worker though nothing is wrong with its part."""
        attempts = self.innocent + sum(self.finished.values())
        return self.innocent / attempts if attempts else 0.0
