"""Where parts are made: a pool of workers, and the pool that is this process alone."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import psutil

from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.turn import in_vain, take
from pipeline.engine.worker import Failure, Outcome, Task, Worker


class Pool(Protocol):
    """Somewhere to make parts. It knows what its workers have, and keeps tasks waiting until there is one that will do."""

    @property
    def memory(self) -> float:
        """Bytes that a part may take: those of the largest machine."""
        ...

    def submit(self, task: Task, store: Store) -> None:
        """Have a part made, once there is a worker for it. Of tasks that want the same, the first comes first."""
        ...

    def next_done(self) -> tuple[Task, Outcome]:
        """Wait for a task to end."""
        ...

    def close(self) -> None: ...


class InProcess:
    """No Ray: one part at a time, in this process. For debugging and for notebooks."""

    def __init__(self) -> None:
        self.memory: float = psutil.virtual_memory().total
        self.worker = Worker()
        self.waiting: deque[tuple[Task, Store]] = deque()
        self.in_vain: dict[tuple[Stage, Store], Failure] = {}  # stages whose other parts would fail alike

    def submit(self, task: Task, store: Store) -> None:
        self.waiting.append((task, store))

    def next_done(self) -> tuple[Task, Outcome]:
        (stage, part), store = self.waiting.popleft()
        if failure := self.in_vain.get((stage, store)):
            return (stage, part), failure
        outcome = take(self.worker, stage, part, store).outcome
        if isinstance(outcome, Failure) and in_vain(self.worker, stage, outcome):
            self.in_vain[stage, store] = outcome
        return (stage, part), outcome

    def close(self) -> None:
        pass


@contextmanager
def kept_open(open_pool: Callable[[], Pool]) -> Iterator[Callable[[], Pool]]:
    """What opens a pool when it is first called, and gives that one whenever it is called again; closed at the end of the block.

    So several runs can work on one pool, one after another.
    """
    opened: list[_Kept] = []

    def pool() -> Pool:
        if not opened:
            opened.append(_Kept(open_pool()))
        return opened[0]

    try:
        yield pool
    finally:
        for each in opened:
            each.pool.close()


class _Kept:
    """A pool that a run does not close."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.memory = pool.memory
        self.submit, self.next_done = pool.submit, pool.next_done

    def close(self) -> None:
        """Leave it open for the next run."""
