"""The crews of a run on Ray: as many workers of each kind as there is work for, and as the cluster has or may get."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.engine.cluster import Cluster
from pipeline.engine.crew import Crew, Member
from pipeline.engine.limits import Limits
from pipeline.engine.stage import Stage
from pipeline.errors import UserError

STARTING = 15.0  # seconds that a worker may take to start before it is said that it is waited for


class Crews:
    """Crews by the GPUs that each of their workers has; 0 is for those without.

    private: Ray is this process's own: nothing comes or goes, and all of it is for this run. most: workers of a kind; None for as
    many as there is room for, and, on a cluster, for as many again, so that it grows where it can.
    """

    def __init__(self, ray: Any, private: bool, most: int | None, say: Callable[[str], None], limits: Limits):
        self.ray, self.private, self.most, self.say, self.limits = ray, private, most, say, limits
        self.cluster = Cluster.of(ray)
        self.by_gpus: dict[float, Crew] = {}
        self._opened = time.monotonic()
        self._began_empty, self._had_gpus = not self.cluster.machines, False
        self._said: dict[float, tuple[str, float]] = {}

    def __iter__(self) -> Iterator[Crew]:
        return iter(self.by_gpus.values())

    @property
    def members(self) -> list[Member]:
        return [member for crew in self for member in crew.members]

    @property
    def size(self) -> int:
        """How many workers there is room for now, within what was asked for."""
        return sum(self.cluster.room(gpus, self.most) for gpus in ((0.0, 1.0) if self.cluster.gpus else (0.0,)))

    def of(self, stage: Stage) -> Crew:
        """The crew that makes the parts of a stage. Where all workers are of one kind, it makes everything."""
        gpus = float(stage.resources.gpus)
        if gpus and not self._gpus_possible():
            gpus = 0.0
        elif not gpus and self.cluster.gpus and not self.cluster.cpus:
            gpus = 1.0
        if gpus not in self.by_gpus:
            self.by_gpus[gpus] = Crew(self.ray, gpus, self.limits)
        return self.by_gpus[gpus]

    def _gpus_possible(self) -> bool:
        """Whether a worker with a GPU is there or may come: of a cluster that began empty nobody knows, for a while."""
        self._had_gpus = self._had_gpus or self.cluster.gpus > 0
        may_come = self._began_empty and time.monotonic() < self._opened + self.limits.gpu
        return self._had_gpus or may_come or not self.cluster.machines

    def hire(self) -> Iterator[tuple[Any, Member]]:
        """Hire for what there is to do: the references of the new workers' first answers, and the workers."""
        now = time.monotonic()
        for crew in self:
            wanted = self._wanted(crew)
            while crew.waiting and len(crew.members) < wanted and now >= crew.hire_after:
                yield crew.hire()

    def spare(self) -> list[Member]:
        """Workers that others may need more. A Ray of one's own keeps all."""
        return [] if self.private else [member for crew in self for member in crew.spare(self._wanted(crew))]

    def _wanted(self, crew: Crew) -> int:
        room = self.cluster.room(crew.gpus, self.most)
        return min(room if self.private else self.most or room + max(1, room), crew.needed)

    def review(self) -> list[Member]:
        """Look at the cluster as it is now, and say what is waited for. Returns workers that should long have started.

        Raises UserError where a Ray of this process's own has lost its only node: no other one comes.
        """
        now = time.monotonic()
        found = Cluster.of(self.ray)
        if self.private and not found.machines:
            raise UserError(
                "The Ray that this run started has ended: its raylet was killed, as for want of memory.\n"
                "Run the same again: what is finished is kept."
            )
        if not self.private:
            self.cluster = found
            self._move()
            self._say(now)
        return [
            member for crew in self for member in crew.stuck(now) if len(crew.members) <= self.cluster.room(crew.gpus)
        ]

    def _move(self) -> None:
        """Have made without a GPU what wants one, where none came."""
        for crew in [crew for crew in self if crew.waiting and not crew.present]:
            to = self.of(crew.waiting[0].stage)
            if to is not crew:
                to.waiting.extend(crew.waiting)
                crew.waiting.clear()

    def _say(self, now: float) -> None:
        for crew in [crew for crew in self if crew.waiting and not crew.present]:
            text = self.cluster.lacks(crew.gpus)
            if not text and crew.members and now > min(member.since for member in crew.members) + STARTING:
                text = self.cluster.lacks(crew.gpus, self.ray.available_resources())
            said, when = self._said.get(crew.gpus, ("", now))
            if text and (text != said or now > when + self.limits.again):
                self._said[crew.gpus] = text, now
                self.say(text)
