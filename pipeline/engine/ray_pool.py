"""Ray: a pool of workers that make parts. The only file that imports it."""

import logging
import os
import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psutil

from pipeline.engine.pool import Task
from pipeline.engine.store import Store
from pipeline.engine.worker import Failure, Worker
from pipeline.errors import UserError


class RayPool:
    """One actor a CPU (or GPU, where there are any), each keeping its models loaded.

    An actor that dies is started again and its part made again: parts are deterministic and appear whole, so making one twice is
    harmless. A part that kills its worker at every one of `ATTEMPTS` is given up and named.
    """

    ATTEMPTS = 4
    GRACE = 10.0  # seconds, after the first worker is there, for others to say whether they share the store; later ones say so at
    # their first part

    def __init__(self, workers: int | None = None, address: str | None = None):
        _check_free()
        address = _cluster(address)
        self._open = ExitStack()  # what `close` ends
        self._before = _children()
        try:
            self.ray = self._open.enter_context(_ray(self._settings(address), alone=address is None))
            self._open.callback(self.ray.shutdown)
            self._start(workers) if address is None else self._join(address)
            self._hire(workers)
        except BaseException:
            self._open.close()
            _end(_children() - self._before)
            raise

    def _settings(self, address: str | None) -> dict[str, str | None]:
        """Environment variables for Ray and its processes; None is to be unset.

        A Ray of this job's own takes orders from whoever has its token: a random one, known to its processes and in no file. On a
        cluster the user has a token, or says by RAY_AUTH_MODE that there is none.
        """
        defaults = {
            "RAY_AUTH_MODE": "token",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            "RAY_task_oom_retries": str(self.ATTEMPTS - 1),  # without it, for ever
            # Where Ray gives up on a worker that takes 60 s to start, ray.init hangs for ever.
            "RAY_worker_register_timeout_seconds": "600",
        }
        settings: dict[str, str | None] = {name: os.environ.get(name, value) for name, value in defaults.items()}
        if address is None:
            own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_AUTH_TOKEN_PATH": None}
            settings.update(own)
        return settings

    def _hire(self, workers: int | None) -> None:
        """Start the workers: they come as the cluster has room for them."""
        resources = self.ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        devices = gpus or int(resources.get("CPU", 0)) or workers or 0
        if not devices:
            raise UserError("The cluster has no CPU or GPU yet.\nSay how many workers to wait for: --workers N.")
        self.size = min(workers or devices, devices)
        options = {"max_restarts": -1, "max_task_retries": self.ATTEMPTS - 1}
        actor = self.ray.remote(num_cpus=1, num_gpus=1 if gpus else 0, **options)(Worker)
        self.idle: list[Any] = [actor.remote() for _ in range(self.size)]
        self.busy: dict[Any, tuple[Task, Any]] = {}
        self.checked = False

    def _start(self, workers: int | None) -> None:
        """Start a Ray of this job's own: "local", or one that another job started would be joined and waited for.

        Ray allows itself 15 to 30 s, too few on a busy machine or a cold disk; at the second try its files are in memory. It also
        starts its dashboard, autoscaler and log, which nobody here asks for anything: they are ended. Without the two agents that
        stay, its raylet would end itself.
        """
        try:
            self._init("local", num_cpus=workers, include_dashboard=False)
        except Exception:
            self.ray.shutdown()
            _end(_children() - self._before)
            try:
                self._init("local", num_cpus=workers, include_dashboard=False)
            except Exception as error:
                raise UserError(
                    f"Ray did not start on this machine ({error}).\n"
                    "Try again when it is less busy, or work without Ray: --workers 0."
                ) from error
        node = self.ray._private.worker._global_node
        for end in (node.kill_dashboard, node.kill_monitor, node.kill_log_monitor):
            end(check_alive=False)

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
        if not self.checked:
            self._check(store)
        actor = self.idle.pop()
        self.busy[actor.make.remote(*task, store)] = (task, actor)

    def _check(self, store: Store) -> None:
        """Raise UserError unless the workers that are there can be worked with: before the first part, not after it."""
        asked = [actor.cannot_write.remote(store) for actor in self.idle]
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

    def next_done(self) -> tuple[Task, Failure | None]:
        [reference], _ = self.ray.wait(list(self.busy), num_returns=1)
        task, actor = self.busy.pop(reference)
        self.idle.append(actor)
        try:
            failure = self.ray.get(reference)
            if failure and failure.not_shared:
                raise UserError(failure.message)  # this worker would fail at every part, faster than others make one
            return task, failure
        except self.ray.exceptions.RayError as error:
            died = isinstance(error, self.ray.exceptions.RayActorError | self.ray.exceptions.OutOfMemoryError)
            what = f"its worker died {self.ATTEMPTS} times" if died else "Ray could not run it"
            return task, Failure(f"{what}: {str(error).strip().splitlines()[0]}", str(error), False)

    def close(self) -> None:
        self._open.close()


def _check_free() -> None:
    """Raise UserError where this process has a Ray: nothing of it is to be changed."""
    ray = sys.modules.get("ray")
    if ray and ray.is_initialized():
        raise UserError(
            "This process is connected to a Ray already, so it cannot start or join one.\n"
            "Call ray.shutdown() first, or work without Ray."
        )


def _cluster(address: str | None) -> str | None:
    """The address of a cluster to join; None starts a Ray of one's own, which "local" is a name for."""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address
    return None if address == "local" else address


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _end(processes: set[psutil.Process]) -> None:
    """End processes that Ray has lost sight of: those of a start that failed or was interrupted."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def _last_line(error: Exception) -> str:
    """Of an error of Ray's what says the cause, without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()[-1]


@contextmanager
def _ray(settings: Mapping[str, str | None], alone: bool) -> Iterator[Any]:
    """The module ray under these environment variables; afterwards they and Ray are as they were.

    `alone` keeps Ray on the loopback interface, where other machines do not see it. Ray has no setting for that on Linux: it is
    what it does on systems where it forms no clusters.
    """
    before = {name: os.environ.get(name) for name in settings}
    with ExitStack() as afterwards:
        afterwards.callback(_set, before)
        _set(settings)
        import ray
        from ray._private import ray_constants

        afterwards.pop_all()
        clusters = ray_constants.ENABLE_RAY_CLUSTER
        try:
            ray_constants.ENABLE_RAY_CLUSTER = clusters and not alone
            _read_again()
            yield ray
        finally:
            ray_constants.ENABLE_RAY_CLUSTER = clusters
            _set(before)
            _read_again()


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _read_again() -> None:
    """Have Ray read the environment: it remembers what it said when ray was imported, and the token of the last time."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
