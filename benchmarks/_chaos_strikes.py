"""Faults that strike processes of a trial: killed, stopped, interrupted, with clocks that jump."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks._chaos_job import Trial

Process = subprocess.Popen[bytes]
Strike = Callable[[Trial, Process, random.Random], bool]  # whether there was something to strike


def kill_worker(trial: Trial, driver: Process, chance: random.Random) -> bool:
    return _send(trial.of("ray::"), signal.SIGKILL, chance)


def kill_raylet(trial: Trial, driver: Process, chance: random.Random) -> bool:
    return _send(trial.of("raylet"), signal.SIGKILL, chance)


def stop_worker(trial: Trial, driver: Process, chance: random.Random) -> bool:
    """Stop a worker as a machine that swaps or pauses does: for some seconds, in which nobody hears of it."""
    workers = trial.of("ray::")
    if not workers:
        return False
    stopped = chance.choice(workers)
    return _send([stopped], signal.SIGSTOP, chance) and _later(stopped, chance.uniform(1.0, 20.0))


def kill_driver(trial: Trial, driver: Process, chance: random.Random) -> bool:
    return _end(driver, signal.SIGKILL)


def interrupt(trial: Trial, driver: Process, chance: random.Random) -> bool:
    return _end(driver, signal.SIGINT)


def terminate(trial: Trial, driver: Process, chance: random.Random) -> bool:
    return _end(driver, signal.SIGTERM)


ON_RAY: dict[str, tuple[int, Strike]] = {  # name -> how often, in proportion
    "worker killed": (8, kill_worker),
    "worker stopped": (3, stop_worker),
    "raylet killed": (1, kill_raylet),
    "driver killed": (2, kill_driver),
    "driver interrupted": (1, interrupt),
}
ON_DRIVER: dict[str, tuple[int, Strike]] = {
    "driver killed": (3, kill_driver),
    "driver interrupted": (1, interrupt),
    "driver terminated": (1, terminate),
}


def pick(strikes: dict[str, tuple[int, Strike]], chance: random.Random) -> tuple[str, Strike]:
    """Return one of the strikes by chance."""
    [name] = chance.choices(list(strikes), [share for share, _ in strikes.values()])
    return name, strikes[name][1]


def _send(processes: list[psutil.Process], which: signal.Signals, chance: random.Random) -> bool:
    if not processes:
        return False
    try:
        chance.choice(processes).send_signal(which)
    except psutil.Error:
        return False
    return True


def _later(stopped: psutil.Process, seconds: float) -> bool:
    """Let a stopped process go on after a while, by a process that need not be waited for."""
    command = f"sleep {seconds:.1f}; kill -CONT {stopped.pid} 2>/dev/null"
    subprocess.Popen(["sh", "-c", command], start_new_session=True, env={"PATH": os.environ["PATH"]})
    return True


def _end(driver: Process, which: signal.Signals) -> bool:
    if driver.poll() is not None:
        return False
    driver.send_signal(which)
    driver.wait(timeout=120)
    return True


# Clocks

_CLOCK = '''
"""Time as a machine sees it whose clock is wrong, and is set while it works."""
import os, random, time
_chance, _true = random.Random(os.getpid()), time.time
_state = [0.0, 0.0]
def _shift():
    if JUMPS and time.monotonic() > _state[0] or not _state[0]:
        _state[:] = time.monotonic() + _chance.uniform(0.2, 3.0), _chance.uniform(-1.0, 1.0) * 10 * 365 * 86400
    return _state[1]
time.time = lambda: _true() + _shift()
time.time_ns = lambda: int(time.time() * 1e9)
'''


def wrong_clock(folder: Path, jumps: bool) -> dict[str, str]:
    """Return the environment in which Python's time is years off in every process, and jumps while it goes if asked to."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_CLOCK.replace("JUMPS", str(jumps)))
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(Path(__file__).parents[1])])}


def scramble_times(root: Path, chance: random.Random) -> int:
    """Give every file and folder of a root any time between 1975 and 2065; how many they are."""
    paths = [path for path in root.rglob("*") if not path.is_symlink()]
    for path in paths:
        at = chance.uniform(5, 95) * 365.25 * 86400
        os.utime(path, (at, at))
    return len(paths)


def pause(chance: random.Random, most: float = 0.5) -> None:
    """Wait for a moment that no part decides."""
    time.sleep(chance.uniform(0.0, most))
