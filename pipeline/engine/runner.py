"""The runner: spreads what is planned over workers, and says what failed. Parts start as soon as what they need is there."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pipeline.engine.plan import StagePlan, check_memory, within, without_collection
from pipeline.engine.pool import Pool, Task
from pipeline.engine.progress import Progress
from pipeline.engine.stage import Need, Stage
from pipeline.engine.store import Store
from pipeline.engine.worker import Failure
from pipeline.errors import UserError

FAILURES_SHOWN = 8


class RunFailed(Exception):
    """Some parts could not be made; everything that did not need them was."""

    def __init__(self, failures: dict[Task, Failure], blocked: int):
        self.failures = failures
        self.blocked = blocked
        alike: dict[tuple[str, str], list[int]] = {}
        for (stage, part), failure in failures.items():
            alike.setdefault((stage.title, failure.message), []).append(part)
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

    The pool is opened only if there is work, and always closed. Raises UserError before any work where a part does not fit into
    the memory of the pool's machines.
    """
    if not any(each.todo for each in plans):
        return
    agenda = Agenda(plans)
    pool = open_pool()
    try:
        check_memory(plans, pool.memory)
        with store.marked() as marked:
            failures = _drain(agenda, marked, pool, progress)
    finally:
        pool.close()
        with suppress(UserError, OSError):  # what workers left that were killed; the run ends as it ends
            store.clear_scratch()
    if failures:
        raise RunFailed(failures, agenda.waiting)


def _drain(agenda: "Agenda", store: Store, pool: Pool, progress: Progress) -> dict[Task, Failure]:
    """Run tasks until none is ready; what is left on the agenda needs a task that failed."""
    failures: dict[Task, Failure] = {}
    running = 0
    while agenda.ready or running:
        while agenda.ready:
            pool.submit(agenda.ready.popleft(), store)
            running += 1
        task, outcome = pool.next_done()
        running -= 1
        if isinstance(outcome, Failure):
            if outcome.unusable:
                raise UserError(outcome.message)  # every further part would fail alike
            failures[task] = outcome
            progress.failed(task, outcome)
        else:
            progress.made(task, outcome)
            task[0].check_made(task[1], store)
            agenda.done(task)
    return failures


@dataclass(slots=True)
class ReadTogether:
    """Parts that are read together, and by whom."""

    left: int  # to be made
    readers: list[Task]


class Agenda:
    """Which tasks are ready, and which wait for others. What many tasks wait for is counted once."""

    def __init__(self, plans: Sequence[StagePlan]):
        self.ready: deque[Task] = deque()
        self._todo = {each.stage: each.todo for each in plans}
        self._left = {each.stage: set(each.todo) for each in plans}
        self._readers: dict[Stage, dict[int, list[Task]]] = {each.stage: {} for each in plans}  # of one part alone
        self._groups: dict[Need, ReadTogether] = {}
        self._groups_of: dict[Task, list[ReadTogether]] = {}
        self._unmet: dict[Stage, dict[int, int]] = {each.stage: {} for each in plans}  # needs of a part that waits
        with without_collection():
            for each in plans:
                for part in each.todo:
                    self._add(each.stage, part)

    @property
    def waiting(self) -> int:
        """How many tasks need another one first."""
        return sum(map(len, self._unmet.values()))

    def done(self, task: Task) -> None:
        """A task has been done: who waited for it alone is ready."""
        stage, part = task
        for reader in self._readers[stage].pop(part, ()):
            self._meet(reader)
        for group in self._groups_of.pop(task, ()):
            group.left -= 1
            for reader in group.readers if group.left == 0 else ():
                self._meet(reader)

    def _meet(self, reader: Task) -> None:
        """One of the needs of a task is met."""
        stage, part = reader
        unmet = self._unmet[stage]
        unmet[part] -= 1
        if not unmet[part]:
            del unmet[part]
            self.ready.append(reader)

    def _add(self, stage: Stage, part: int) -> None:
        task = stage, part
        unmet = sum(self._waits(task, need) for need in dict.fromkeys(stage.needs(part)))
        if unmet:
            self._unmet[stage][part] = unmet
        else:
            self.ready.append(task)

    def _waits(self, task: Task, need: Need) -> bool:
        """Note that a task needs something; whether it has to wait for it."""
        stage, parts = need
        if len(parts) == 1:
            if parts.start not in self._left[stage]:
                return False
            self._readers[stage].setdefault(parts.start, []).append(task)
            return True
        group = self._group(need)
        if group.left:
            group.readers.append(task)
        return bool(group.left)

    def _group(self, need: Need) -> ReadTogether:
        if need not in self._groups:
            stage, parts = need
            to_make = within(self._todo[stage], parts)
            self._groups[need] = group = ReadTogether(len(to_make), [])
            for part in to_make:
                self._groups_of.setdefault((stage, part), []).append(group)
        return self._groups[need]
