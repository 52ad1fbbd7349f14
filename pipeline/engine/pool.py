"""Where parts are made: a pool of workers, and the pool that is this process alone."""

from collections import deque
from typing import Protocol

import psutil

from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.worker import Failure, Worker

Task = tuple[Stage, int]


class Pool(Protocol):
    """Somewhere to make parts. It knows what its workers have, and keeps tasks waiting until there is one that will do."""

    @property
    def memory(self) -> float:
        """Bytes that a part may take: those of the largest machine."""
        ...

    def submit(self, task: Task, store: Store) -> None:
        """Have a part made, once there is a worker for it. Of tasks that want the same, the first comes first."""
        ...

    def next_done(self) -> tuple[Task, Failure | None]:
        """Wait for a task to end."""
        ...

    def close(self) -> None: ...


class InProcess:
    """No Ray: one part at a time, in this process. For debugging and for notebooks."""

    def __init__(self) -> None:
        self.memory: float = psutil.virtual_memory().total
        self.worker = Worker()
        self.waiting: deque[tuple[Task, Store]] = deque()

    def submit(self, task: Task, store: Store) -> None:
        self.waiting.append((task, store))

    def next_done(self) -> tuple[Task, Failure | None]:
        task, store = self.waiting.popleft()
        return task, self.worker.make(*task, store)

    def close(self) -> None:
        pass
