"""A run on a fleet of spot GPUs, event by event: where its seconds go, by what parts, workers and the driver cost."""

import heapq
import random
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Costs:
    """Seconds."""

    part: float  # of work that is kept, on a GPU
    commit: float = 0.0  # of a part, in its worker
    driver: float = 0.0  # of the one driver, a part: to hand it out and to take the answer
    start: float = 0.0  # of a worker: its process, and its models
    boot: float = 0.0  # from the loss of a machine until another one is there
    notice: float = 0.0  # from the loss of a machine until its part is handed out again


@dataclass
class Spent:
    """GPU-seconds by what they went into, and how busy the driver was."""

    useful: float = 0.0
    commit: float = 0.0
    driver: float = 0.0  # waiting for it
    lost: float = 0.0  # work on parts whose machine went
    starting: float = 0.0
    idle: float = 0.0  # with nothing left to do
    driver_busy: float = 0.0
    wall: float = 0.0
    losses: int = 0

    @property
    def wasted(self) -> dict[str, float]:
        names = ("commit", "driver", "lost", "starting", "idle")
        return {name: getattr(self, name) for name in names}

    @property
    def efficiency(self) -> float:
        return self.useful / (self.useful + sum(self.wasted.values()))

    @property
    def bottleneck(self) -> str:
        """What takes the most of what is not useful."""
        return max(self.wasted, key=lambda name: self.wasted[name])


@dataclass
class Fleet:
    """So many GPUs, each lost at a rate an hour and then replaced, and one driver that serves them in turn."""

    gpus: int
    losses_an_hour: float
    costs: Costs
    seed: int = 0
    _events: list[tuple[float, int, float]] = field(default_factory=list)  # when a GPU is ready, which, when it is lost

    def run(self, parts: int) -> Spent:
        """Make so many parts."""
        costs, spent, chance = self.costs, Spent(), random.Random(self.seed)
        waiting, done, free = parts, 0, 0.0  # when the driver is free
        returned: list[float] = []  # when lost parts may be made again

        def life() -> float:
            return chance.expovariate(self.losses_an_hour / 3600) if self.losses_an_hour else float("inf")

        for gpu in range(self.gpus):
            spent.starting += costs.start
            heapq.heappush(self._events, (costs.start, gpu, life()))
        while done < parts:
            now, gpu, lost_at = heapq.heappop(self._events)
            while returned and returned[0] <= now:
                heapq.heappop(returned)
                waiting += 1
            if not waiting:
                if returned:
                    heapq.heappush(self._events, (max(returned[0], now), gpu, lost_at))
                continue
            waiting -= 1
            begun = max(now, free) + costs.driver
            free = begun
            spent.driver_busy += costs.driver
            ended = begun + costs.part + costs.commit
            if ended > lost_at:
                spent.losses += 1
                gone = max(lost_at, now)
                spent.driver += min(begun, gone) - now
                spent.lost += max(0.0, gone - begun)
                spent.starting += costs.boot + costs.start
                heapq.heappush(returned, gone + costs.notice)
                back = gone + costs.boot + costs.start
                heapq.heappush(self._events, (back, gpu, back + life()))
                continue
            spent.driver += begun - now
            spent.useful, spent.commit = spent.useful + costs.part, spent.commit + costs.commit
            spent.wall = max(spent.wall, ended)
            done += 1
            heapq.heappush(self._events, (ended, gpu, lost_at))
        return self._ended(spent)

    def _ended(self, spent: Spent) -> Spent:
        """Count what idles until the last part is done."""
        spent.idle = self.gpus * spent.wall - (spent.useful + spent.commit + spent.driver + spent.lost + spent.starting)
        spent.idle = max(spent.idle, 0.0)
        return spent
