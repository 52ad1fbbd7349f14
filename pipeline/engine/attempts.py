"""Attempts at a part, and what the deaths of workers say of the parts that they were making.

Workers die for reasons of their own: a machine that is lost, a kill. How often that happens is told by the first attempts at all
parts. A part is given up when its workers died so often that, by that rate, it would be no bad luck any more.
"""

from collections import Counter
from dataclasses import dataclass, field

from pipeline.engine.limits import Limits
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store

MOST = 8  # times as many deaths as a part is given are enough, however many workers die
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
    attempts: int = 1  # that were begun, or wait
    open: int = 1  # attempts that wait or are under way
    done: bool = False

    def goes_with(self, other: "Order") -> bool:
        """Whether a worker may be given both at once."""
        return self.stage is other.stage and self.store is other.store and not (self.alone or self.done)


@dataclass
class Attempts:
    """Judges which parts are to be given up."""

    limits: Limits
    made_of: Counter[Stage] = field(default_factory=Counter)  # parts
    died_of: Counter[Stage] = field(default_factory=Counter)  # attempts
    first_made: int = 0
    first_died: int = 0

    def made(self, order: Order) -> None:
        """A worker made a part, or said why it cannot be made."""
        self.made_of[order.stage] += 1
        self.first_made += not order.deaths

    def died(self, order: Order) -> bool:
        """A worker died while it was making this part alone. Whether the part is to be given up."""
        self.first_died += not order.deaths
        order.deaths += 1
        self.died_of[order.stage] += 1
        fewest, most = self.limits.attempts, MOST * self.limits.attempts
        return order.deaths >= most or (
            order.deaths >= fewest and self.by_accident**order.deaths <= self.limits.bad_luck
        )

    def in_vain(self, stage: Stage) -> bool:
        """Whether every part of a stage seems to kill its worker."""
        return not self.made_of[stage] and self.died_of[stage] >= VAIN * self.limits.attempts

    @property
    def by_accident(self) -> float:
        """How likely an attempt ends with the death of its worker though nothing is wrong with its part, by all parts but one."""
        others = max(0, self.first_died - 1)
        return others / (others + self.first_made) if self.first_made else 0.0
