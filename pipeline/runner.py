"""The runner: plans what is missing, spreads it over workers, and says what failed.

Work is demanded backwards: a part is made only if a part of a goal is missing that needs it. Parts start as soon as what they
need is there, so annotating overlaps with sampling.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.cluster import Pool, Task
from pipeline.errors import UserError
from pipeline.stage import Stage, in_order
from pipeline.store import Store
from pipeline.worker import Failure

GIGABYTE = 1e9
HEADROOM = 1.05  # estimates of what is written may be a little low
FAILURES_SHOWN = 8


@dataclass(frozen=True)
class StagePlan:
    """What one stage has and still has to make for the goals."""

    stage: Stage
    todo: tuple[int, ...]  # parts to make
    done: int  # parts that are there

    @property
    def bytes(self) -> int:
        return len(self.todo) * self.stage.part_bytes()


class Progress(Protocol):
    """What a run tells while it goes."""

    def advance(self, stage: Stage) -> None: ...


class RunFailed(Exception):
    """Some parts could not be made; everything that did not need them was."""

    def __init__(self, failures: dict[Task, Failure], blocked: int):
        self.failures = failures
        self.blocked = blocked
        alike: dict[tuple[str, str], list[int]] = {}
        for (stage, part), failure in failures.items():
            alike.setdefault((stage.name, failure.message), []).append(part)
        lines = [f"{name} {_parts(parts)}: {message}" for (name, message), parts in alike.items()]
        if len(lines) > FAILURES_SHOWN:
            more = sum(len(parts) for parts in list(alike.values())[FAILURES_SHOWN:])
            lines[FAILURES_SHOWN:] = [f"{more} more parts failed."]
        if blocked:
            lines.append(f"{blocked} parts that need these were not started.")
        super().__init__("\n".join(lines))


def _parts(parts: list[int]) -> str:
    return f"part {parts[0]}" if len(parts) == 1 else f"part {parts[0]} and {len(parts) - 1} more"


def plan(goals: Sequence[Stage], store: Store) -> list[StagePlan]:
    """What to make for the goals, in the order of the flow. Every stage's settings are checked first."""
    stages = in_order(goals)
    for stage in stages:
        stage.check()
    todo: dict[Stage, set[int]] = {stage: set() for stage in stages}
    for goal in goals:
        todo[goal].update(store.missing(goal))
    for stage in reversed(stages):
        for part in todo[stage]:
            for needed, i in stage.needs(part):
                if not store.exists(needed, i):
                    todo[needed].add(i)
    return [StagePlan(stage, tuple(sorted(todo[stage])), stage.n_parts - len(store.missing(stage))) for stage in stages]


def check_space(plans: Sequence[StagePlan], store: Store) -> None:
    """Refuse a plan that the disk cannot hold."""
    needed, free = sum(each.bytes for each in plans) * HEADROOM, store.free_bytes()
    if needed > free:
        raise UserError(
            f"This run writes about {needed / GIGABYTE:.2f} GB, and {store.root} has {free / GIGABYTE:.2f} GB left.\n"
            "Give a --root on a larger disk, or lower --samples or --steps; --plan shows where the bytes go."
        )


def run(plans: Sequence[StagePlan], store: Store, open_pool: Callable[[], Pool], progress: Progress) -> None:
    """Make everything planned. Raises RunFailed at the end if some of it could not be made.

    The pool is opened only if there is work, and always closed.
    """
    waiting = {(each.stage, part): _unmet(each.stage, part, store) for each in plans for part in each.todo}
    if not waiting:
        return
    pool = open_pool()
    try:
        with store.marked() as marked:
            failures = _drain(waiting, marked, pool, progress)
    finally:
        pool.close()
    if failures:
        raise RunFailed(failures, len(waiting))


def _drain(waiting: dict[Task, set[Task]], store: Store, pool: Pool, progress: Progress) -> dict[Task, Failure]:
    """Run tasks until none is ready; what is left in `waiting` needs a task that failed."""
    failures: dict[Task, Failure] = {}
    running: set[Task] = set()
    ready = [task for task, unmet in waiting.items() if not unmet]
    readers: dict[Task, list[Task]] = {}
    for task, unmet in waiting.items():
        for need in unmet:
            readers.setdefault(need, []).append(task)

    while ready or running:
        while ready and len(running) < pool.size:
            task = ready.pop(0)
            del waiting[task]
            running.add(task)
            pool.submit(task, store)
        task, failure = pool.next_done()
        running.remove(task)
        if failure:
            failures[task] = failure
            continue
        progress.advance(task[0])
        for reader in readers.get(task, []):
            waiting[reader].discard(task)
            if not waiting[reader]:
                ready.append(reader)
    return failures


def _unmet(stage: Stage, part: int, store: Store) -> set[Task]:
    return {(needed, i) for needed, i in stage.needs(part) if not store.exists(needed, i)}
