"""The runner: spreads what is planned over workers, and says what failed. Parts start as soon as what they need is there."""

from collections.abc import Callable, Sequence
from typing import Protocol

from pipeline.engine.plan import StagePlan
from pipeline.engine.pool import Pool, Task
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.worker import Failure

FAILURES_SHOWN = 8


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
