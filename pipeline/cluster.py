"""Ray: a pool of workers that make parts. The only file that imports it."""

import logging
import os
from collections import deque
from typing import Any, Protocol

from pipeline.errors import UserError
from pipeline.stage import Stage
from pipeline.store import Store
from pipeline.worker import Failure, Worker

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


class RayPool:
    """One actor a CPU (or GPU, where there are any), each keeping its models loaded.

    An actor that dies is started again and its part made again: parts are deterministic and appear whole, so making one twice is
    harmless. A part that kills its worker at every one of `ATTEMPTS` is given up and named.
    """

    ATTEMPTS = 4

    def __init__(self, workers: int | None = None, address: str | None = None):
        os.environ.setdefault("RAY_AUTH_MODE", "disabled" if address is None else "token")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_task_oom_retries", str(self.ATTEMPTS - 1))  # without it, for ever
        # Where Ray gives up on a worker that takes 60 s to start, ray.init hangs for ever.
        os.environ.setdefault("RAY_worker_register_timeout_seconds", "600")
        import ray

        self.ray = ray
        self._start(workers) if address is None else self._join(address)
        resources = ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        devices = gpus or int(resources["CPU"])
        self.size = min(workers or devices, devices)
        retries = self.ATTEMPTS - 1
        actor = ray.remote(num_cpus=1, num_gpus=1 if gpus else 0, max_restarts=-1, max_task_retries=retries)(Worker)
        self.idle: list[Any] = [actor.remote() for _ in range(self.size)]
        self.busy: dict[Any, tuple[Task, Any]] = {}

    def _start(self, workers: int | None) -> None:
        """Start a Ray of this job's own: "local", or one that another job started would be joined and waited for.

        Ray allows itself 15 to 30 s, too few on a busy machine or a cold disk; at the second try its files are in memory.
        """
        try:
            self._init("local", num_cpus=workers, include_dashboard=False)
        except Exception:
            self.ray.shutdown()
            try:
                self._init("local", num_cpus=workers, include_dashboard=False)
            except Exception as error:
                raise UserError(
                    f"Ray did not start on this machine ({error}).\n"
                    "Try again when it is less busy, or work without Ray: --workers 0."
                ) from error

    def _join(self, address: str) -> None:
        try:
            self._init(address)
        except Exception as error:  # Ray raises half a dozen kinds
            raise UserError(
                f"No Ray cluster answers at {address} ({error}).\nCheck --address, or leave it out."
            ) from error

    def _init(self, address: str, **options: Any) -> None:
        self.ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING, **options)

    def submit(self, task: Task, store: Store) -> None:
        actor = self.idle.pop()
        self.busy[actor.make.remote(*task, store)] = (task, actor)

    def next_done(self) -> tuple[Task, Failure | None]:
        [reference], _ = self.ray.wait(list(self.busy), num_returns=1)
        task, actor = self.busy.pop(reference)
        self.idle.append(actor)
        try:
            return task, self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            died = isinstance(error, self.ray.exceptions.RayActorError | self.ray.exceptions.OutOfMemoryError)
            what = f"its worker died {self.ATTEMPTS} times" if died else "Ray could not run it"
            return task, Failure(f"{what}: {str(error).strip().splitlines()[0]}", str(error), False)

    def close(self) -> None:
        self.ray.shutdown()
