"""Ray: a pool of workers that make parts, some with a GPU where there are any, and the others without."""

import math
import os
import re
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from pipeline.engine.pool import Task
from pipeline.engine.ray_start import connected
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.worker import Failure, Outcome, Worker
from pipeline.errors import UserError


@dataclass
class Crew:
    """Workers of one kind, and the tasks that wait for one of them."""

    idle: list[Any]  # actors
    waiting: deque[tuple[Task, Store]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.size = len(self.idle)


@dataclass
class WithoutGPU(Worker):
    """A worker that sees no GPU. Ray leaves an actor that asked for none in sight of all that its machine has."""

    def __post_init__(self) -> None:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


class RayPool:
    """One actor a GPU, for stages that want one, and one a CPU for the others, each keeping its models loaded.

    Where all is of one kind, it does everything. A task waits for a worker of its kind alone, and behind those of its kind that
    were submitted before it: neither kind keeps the other waiting.

    Memory is Ray's to know and not its to give: an actor outlives the parts that it makes. A part that no machine has room for is
    refused by `run` before any work; others begin while what is being made leaves room for them, over all machines together.

    An actor that dies is started again and its part made again: parts are deterministic and appear whole, so making one twice is
    harmless. A part that kills its worker at every one of `ATTEMPTS` is given up and named.
    """

    ATTEMPTS = 4
    GRACE = 10.0  # seconds, after the first worker is there, for others to say whether they share the store; later ones say so at
    # their first part

    def __init__(self, workers: int | None = None, address: str | None = None):
        with ExitStack() as opening:
            self.ray = opening.enter_context(connected(address, workers, self.ATTEMPTS))
            self._hire(workers)
            self._open = opening.pop_all()  # what `close` ends

    def _hire(self, workers: int | None) -> None:
        """Start the workers: they come as the cluster has room for them."""
        resources = self.ray.cluster_resources()
        with_gpu, without = crew_sizes(int(resources.get("GPU", 0)), int(resources.get("CPU", 0)), workers)
        kind = WithoutGPU if with_gpu else Worker  # on a cluster that has no machine yet, whatever comes is used
        self.crews = (self._crew(Worker, with_gpu, num_cpus=0, num_gpus=1), self._crew(kind, without, num_cpus=1))
        self.size = sum(crew.size for crew in self.crews)
        machines = [_memory_of(node["Resources"]) for node in self.ray.nodes() if _works(node)]
        self.memory: float = max(machines, default=math.inf)  # of the largest
        self._room: float = sum(machines) or math.inf  # for what is being made
        self.busy: dict[Any, tuple[Task, Crew, Any]] = {}
        self.checked = False

    def _crew(self, kind: type[Worker], size: int, **options: int) -> Crew:
        actor = self.ray.remote(max_restarts=-1, max_task_retries=self.ATTEMPTS - 1, **options)(kind)
        return Crew([actor.remote() for _ in range(size)])

    def submit(self, task: Task, store: Store) -> None:
        if not self.checked:
            self._check(store)
        self._crew_for(task[0]).waiting.append((task, store))
        self._begin()

    def _crew_for(self, stage: Stage) -> Crew:
        with_gpu, without = self.crews
        wanted, other = (with_gpu, without) if stage.resources.gpus else (without, with_gpu)
        return wanted if wanted.size else other

    def _begin(self) -> None:
        """Give tasks that wait to workers that are idle. What is first of its kind waits until there is memory for it."""
        for crew in self.crews:
            while crew.idle and crew.waiting:
                task, store = crew.waiting[0]
                needed = task[0].resources.memory
                if self.busy and needed > self._room:
                    break
                self._room -= needed
                crew.waiting.popleft()
                actor = crew.idle.pop()
                self.busy[actor.make.remote(*task, store)] = (task, crew, actor)

    def _check(self, store: Store) -> None:
        """Raise UserError unless the workers that are there can be worked with: before the first part, not after it."""
        asked = [actor.cannot_write.remote(store) for crew in self.crews for actor in crew.idle]
        self.ray.wait(asked, num_returns=1)
        answered, _ = self.ray.wait(asked, num_returns=len(asked), timeout=self.GRACE)
        try:
            refusals = [answer for answer in self.ray.get(answered) if answer]
        except self.ray.exceptions.RayError as error:
            raise UserError(
                f"A worker could not start: {_last_line(error)}\n"
                "Every machine of the cluster needs this project, its dependencies, and the same release of Python."
            ) from error
        if refusals:
            raise UserError(refusals[0])
        self.checked = True

    def next_done(self) -> tuple[Task, Outcome]:
        [reference], _ = self.ray.wait(list(self.busy), num_returns=1)
        task, crew, actor = self.busy.pop(reference)
        self._room += task[0].resources.memory
        crew.idle.append(actor)
        self._begin()
        try:
            outcome: Outcome = self.ray.get(reference)
            if isinstance(outcome, Failure) and outcome.not_shared:
                raise UserError(outcome.message)  # this worker would fail at every part, faster than others make one
            return task, outcome
        except self.ray.exceptions.RayError as error:
            _check_found(error)
            died = isinstance(error, self.ray.exceptions.RayActorError | self.ray.exceptions.OutOfMemoryError)
            what = f"its worker died {self.ATTEMPTS} times" if died else "Ray could not run it"
            return task, Failure(f"{what}: {str(error).strip().splitlines()[0]}", str(error), False)

    def close(self) -> None:
        self._open.close()


def crew_sizes(gpus: int, cpus: int, workers: int | None) -> tuple[int, int]:
    """How many workers with a GPU and how many without, by what the cluster has; `workers` is the most of each kind.

    A worker with a GPU needs a CPU beside it, so by default that many fewer work without. Raises UserError for a cluster that has
    nothing yet, unless it is said how many to wait for.
    """
    if not (gpus or cpus or workers):
        raise UserError("The cluster has no CPU or GPU yet.\nSay how many `workers` to wait for.")
    if not (gpus or cpus):
        return 0, workers or 0
    return min(workers or gpus, gpus), min(workers or max(cpus - gpus, 1), cpus)


def _works(node: dict[str, Any]) -> bool:
    """Whether a machine of the cluster takes workers: the head node may not."""
    return bool(node["Alive"] and (node["Resources"].get("CPU") or node["Resources"].get("GPU")))


def _memory_of(resources: dict[str, float]) -> float:
    """Bytes that a machine has: what Ray found free, and what it keeps for objects, of which there are hardly any here."""
    return resources.get("memory", 0.0) + resources.get("object_store_memory", 0.0)


def _check_found(error: Exception) -> None:
    """Raise UserError where a worker does not find a module of what it was given: it would fail at every part."""
    if absent := re.search(r"ModuleNotFoundError: No module named '([\w.]+)'", str(error)):
        raise UserError(
            f"The workers find no module {absent[1]!r}, which this process has.\n"
            "Every machine needs it: in the folder that you start this from, where they share that folder, or installed,\n"
            "or in a folder that PYTHONPATH names there."
        )


def _last_line(error: Exception) -> str:
    """Return the line of an error of Ray's that says the cause, without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()[-1]
