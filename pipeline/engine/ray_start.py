"""A Ray to work on: one that this process starts, or a cluster that it joins; and how either is left behind."""

import logging
import os
import re
import secrets
import socket
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psutil

from pipeline.engine.ray_worker import Arrival, end_if_stopped
from pipeline.engine.reaper import ended_with_this_process
from pipeline.errors import UserError

TRIES = 3  # to start a Ray
SHORT = "/tmp"
LONGEST = 103  # bytes of a socket's path, wherever Ray runs
IN_IT = "/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1"  # the longest one of Ray's


@contextmanager
def connected(address: str | None, cpus: int | None, say: Callable[[str], None]) -> Iterator[Any]:
    """The module ray, connected: to a cluster (see `cluster_address`), or to a Ray of this process's own, with so many CPUs.

    A Ray of one's own ends with this process, however that ends. Afterwards Ray and the environment are as they were.
    """
    _check_free()
    address = cluster_address(address)
    before = _children()
    with _ray(_settings(address), alone=address is None or _only_here(address)) as ray, ExitStack() as reaping:
        try:
            if address is None:
                _start(ray, cpus, before, say)
                reaping.enter_context(ended_with_this_process(_children() - before))
            else:
                _join(ray, address)
            yield ray
        except BaseException:
            ray.shutdown()
            _end(_children() - before)
            raise
        ray.shutdown()


def _check_free() -> None:
    """Raise UserError where this process has a Ray: nothing of it is to be changed."""
    ray = sys.modules.get("ray")
    if ray and ray.is_initialized():
        raise UserError(
            "This process is connected to a Ray already, so it cannot start or join one.\n"
            "Call ray.shutdown() first, or work without Ray."
        )


def cluster_address(address: str | None) -> str | None:
    """The cluster that work at an address joins; None where it starts a Ray of its own.

    Without an address it is the cluster that RAY_ADDRESS names, as in a job that was submitted to one; "local" starts a Ray
    of one's own all the same.
    """
    if address in (None, "", "auto"):
        address = os.environ.get("RAY_ADDRESS") or address
    return None if address in (None, "", "local") else address


def look_at(ray: Any, private: bool, place: Arrival | None) -> None:
    """Have a worker killed whose process is stopped and would never answer; Ray then tells of its death.

    It takes no CPU from the work of its machine, and nobody waits for what comes of it.
    """
    if place and private:
        end_if_stopped(place.pid)
    elif place:
        there = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(place.node, soft=False)
        ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(end_if_stopped).remote(place.pid)


def _settings(address: str | None) -> dict[str, str | None]:
    """Environment variables for Ray and its processes; None is to be unset.

    A Ray of this job's own takes orders from whoever has its token: a random one, known to its processes and in no file. On a
    cluster the user has a token, or says by RAY_AUTH_MODE that there is none.
    """
    defaults = {
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # workers without a GPU hide them by themselves, on clusters too
        "RAY_task_oom_retries": "0",  # without it, for ever
        # Where Ray gives up on a worker that takes 60 s to start, ray.init hangs for ever.
        "RAY_worker_register_timeout_seconds": "600",
    }
    settings: dict[str, str | None] = {name: os.environ.get(name, value) for name, value in defaults.items()}
    if address is None:
        own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_AUTH_TOKEN_PATH": None}
        settings.update(own)
    return settings


def _start(ray: Any, cpus: int | None, before: set[psutil.Process], say: Callable[[str], None]) -> None:
    """Start a Ray of this job's own: "local", or one that another job started would be joined and waited for.

    Ray allows itself 15 to 30 s, too few on a busy machine or a cold disk; at the next try its files are in memory. It also
    starts its dashboard, autoscaler and log, which nobody here asks for anything: they are ended. Without the two agents that
    stay, its raylet would end itself.

    Its workers find the modules that this process finds: a plug in the folder of a notebook, or on a path that was put in place
    while running. Workers of a cluster have the folder that this process stands in, where their machine has it too, and what is
    installed there or named in its PYTHONPATH.
    """
    options = {"num_cpus": cpus, "include_dashboard": False, "_temp_dir": _folder(say), "job_config": _with_path(ray)}
    for left in reversed(range(TRIES)):
        try:
            _init(ray, "local", **options)
            break
        except Exception as error:
            if not left:
                raise UserError(
                    f"Ray did not start on this machine ({error}).\n"
                    "Try again when it is less busy, or work without Ray: `workers` 0."
                ) from error
            ray.shutdown()
            _end(_children() - before)
    node = ray._private.worker._global_node
    for end in (node.kill_dashboard, node.kill_monitor, node.kill_log_monitor):
        end(check_alive=False)


def _folder(say: Callable[[str], None]) -> str | None:
    """Where Ray keeps its sockets and logs; None for its own choice, unless the paths of its sockets would be too long there."""
    found = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or SHORT
    if len(os.fsencode(os.path.abspath(found))) + len(IN_IT) <= LONGEST:
        return None
    say(f"Ray keeps its files in {SHORT}/ray: the path {found} is too long for its sockets.")
    return f"{SHORT}/ray"


def _join(ray: Any, address: str) -> None:
    try:
        _knock(address)
        _init(ray, address)
    except Exception as error:  # Ray raises half a dozen kinds
        raise UserError(f"No Ray cluster answers at {address} ({error}).\nCheck `address`, or leave it out.") from error


def _knock(address: str) -> None:
    """Raise OSError where nothing listens at HOST:PORT: Ray itself would ask there for minutes."""
    if place := _place(address):
        socket.create_connection(place, timeout=10).close()


def _only_here(address: str) -> bool:
    """Whether a cluster is on the loopback interface alone, which Ray takes for the address that other machines know."""
    place = _place(address)
    if place is None or place[0] not in ("localhost", "127.0.0.1", "::1"):
        return False
    found = [each.address for some in psutil.net_if_addrs().values() for each in some if each.family == socket.AF_INET]
    return not any(_listens(own, place[1]) for own in found if not own.startswith("127."))


def _place(address: str) -> tuple[str, int] | None:
    """The host and port of an address; None where it has none, as \"auto\"."""
    found = re.fullmatch(r"(?:ray://)?\[?([^/\]]+?)\]?:(\d+)", address)
    return (found[1], int(found[2])) if found else None


def _listens(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=10):
        return True
    return False


def _init(ray: Any, address: str, **options: Any) -> None:
    ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING, **options)


def _with_path(ray: Any) -> Any:
    """Settings by which workers look for modules where this process does. Ray puts the last of these folders first."""
    installed = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    own = [os.path.abspath(each) for each in sys.path if os.path.isdir(each or ".")]
    return ray.job_config.JobConfig(_py_driver_sys_path=[each for each in own[::-1] if not each.startswith(installed)])


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _end(processes: set[psutil.Process]) -> None:
    """End processes that Ray has lost sight of: those of a start that failed or was interrupted."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


@contextmanager
def _ray(settings: Mapping[str, str | None], alone: bool) -> Iterator[Any]:
    """The module ray under these environment variables; afterwards they and Ray are as they were.

    `alone` keeps Ray on the loopback interface, where other machines do not see it, or joins a cluster there. Ray has no setting
    for that on Linux: it is what it does on systems where it forms no clusters.
    """
    import ray
    from ray._private import ray_constants

    before = {name: os.environ.get(name) for name in settings}
    clusters = ray_constants.ENABLE_RAY_CLUSTER
    try:
        _set(settings)
        ray_constants.ENABLE_RAY_CLUSTER = clusters and not alone
        read_again()
        yield ray
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = clusters
        _set(before)
        read_again()


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def read_again() -> None:
    """Have Ray read the environment: it remembers what it said when ray was imported, and the token of the last time."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
