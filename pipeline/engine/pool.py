"""Where parts are made: a pool of workers, and the pool that is this process alone."""

from collections import deque
from typing import Protocol

from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.worker import Failure, Worker

Task = tuple[Stage, int]


class Pool(Protocol):
    """Somewhere to make parts."""

    size: int

    def submit(self, task: Task, store: Store) -> None:
        """Have a part made. At most `size` tasks may be under way."""
        ...

    def next_done(self) -> tuple[Task, Failure | None]:
        """Wait for a task to end."""
        ...

    def close(self) -> None: ...


class InProcess:
    """No Ray: one part at a time, in this process. For debugging and for notebooks."""

    size = 1

    def __init__(self) -> None:
        self.worker = Worker()
        self.waiting: deque[tuple[Task, Store]] = deque()

    def submit(self, task: Task, store: Store) -> None:
        self.waiting.append((task, store))

    def next_done(self) -> tuple[Task, Failure | None]:
        task, store = self.waiting.popleft()
        return task, self.worker.make(*task, store)

    def close(self) -> None:
        pass
