"""A crew: workers of one kind on Ray, those that are still to come included, and the parts that wait for one of them."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from pipeline.engine.attempts import Order
from pipeline.engine.limits import Limits
from pipeline.engine.ray_worker import Arrival, RayWorker
from pipeline.engine.store import Store


@dataclass(eq=False)
class Member:
    """A worker as the driver sees it."""

    crew: "Crew"
    actor: Any
    store: Store  # whether it sees this one it says when it comes
    since: float = field(default_factory=time.monotonic)  # when it was hired, was given its parts, or fell idle
    place: Arrival | None = None  # None until it is there
    orders: list[Order] = field(default_factory=list)  # what it is making
    misses: int = 0  # of the deadlines of these, when it began
    late: bool = False  # another one is to make them, too
    memory: int = 0  # bytes that these take
    told: set[int] = field(default_factory=set)  # the stages that it knows, by their keys
    loaded: list[str] = field(default_factory=list)  # the fingerprints of those that it has loaded
    look: float = 0.0  # seconds after which to look at its process

    def begin(self, orders: list[Order]) -> None:
        """It is given parts of a stage."""
        self.orders, self.since, self.late = orders, time.monotonic(), False
        self.memory = orders[0].stage.resources.memory
        self.misses = max(order.misses for order in orders)
        self.look = self.crew.limits.look

    def end(self) -> list[Order]:
        """It makes nothing now. Returns what it made before."""
        orders, self.orders = self.orders, []
        self.since, self.memory = time.monotonic(), 0
        return orders


@dataclass(eq=False)
class Crew:
    """Workers with so many GPUs each, or with a CPU each and none."""

    ray: Any
    gpus: float
    limits: Limits
    members: set[Member] = field(default_factory=set)
    idle: list[Member] = field(default_factory=list)
    waiting: deque[Order] = field(default_factory=deque)
    hire_after: float = 0.0
    slow: int = 0  # workers that did not start in time

    def hire(self) -> tuple[Any, Member]:
        """Ask Ray for one more worker, for what waits; where there is no room, that tells the cluster to grow. Its first answer.

        Ray tries nothing again: for a while it takes a lost machine for a live one.
        """
        options: dict[str, float] = {"num_cpus": 0, "num_gpus": self.gpus} if self.gpus else {"num_cpus": 1}
        kind = self.ray.remote(max_restarts=0, max_task_retries=0, **options)(RayWorker)
        member = Member(self, kind.remote(bool(self.gpus)), self.waiting[0].store)
        self.members.add(member)
        return member.actor.arrive.remote(member.store), member

    def dismiss(self, member: Member) -> None:
        """Let a worker go, whatever it does."""
        self.members.discard(member)
        if member in self.idle:
            self.idle.remove(member)
        self.ray.kill(member.actor)

    @property
    def needed(self) -> int:
        """How many workers there is something to do for."""
        return len(self.waiting) + sum(bool(member.orders) for member in self.members)

    @property
    def present(self) -> int:
        """How many workers are there."""
        return sum(member.place is not None for member in self.members)

    def spare(self, wanted: int) -> list[Member]:
        """Workers to let go: beyond so many, those that are still to come, and those that have long had nothing to do."""
        if len(self.members) <= wanted:
            return []
        before = time.monotonic() - self.limits.idle
        to_come = [member for member in self.members if member.place is None]
        rested = [member for member in self.idle if member.since < before]
        return (to_come + rested)[: len(self.members) - wanted]

    def stuck(self, now: float) -> list[Member]:
        """Workers that should have started by now; the next ones are given more time."""
        before = now - self.limits.start * 2**self.slow
        found = [member for member in self.members if member.place is None and member.since < before]
        self.slow += bool(found)
        return found

    def put_back(self, order: Order) -> None:
        """Have a part made again after the next ones: others then tell whether it or something else ended its worker."""
        self.waiting.insert(min(len(self.waiting), 2 * len(self.members)), order)
