"""The small demo with its root on an object store, against the same on the local disk: what it costs to be on S3.

SeaweedFS serves on the loopback interface of the same machine, so that both sides end on one disk; what is measured is requests,
copies and checks, and not a network. Both run as a person types them, in turns, on empty roots and empty caches.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks._chaos_bucket import count_records, fetched, forget
from benchmarks._chaos_check import Truth
from benchmarks._chaos_job import Trial, records
from benchmarks._servers import Server, seaweedfs


@dataclass(frozen=True)
class Seconds:
    """The wall time of every run."""

    disk: list[float]
    s3: list[float]

    @property
    def overhead(self) -> float:
        """How much longer S3 takes: the median over the rounds, so that a machine that slows down slows both sides of one."""
        return median(b / a for a, b in zip(self.disk, self.s3, strict=True)) - 1.0


Side = Callable[[Path, Server, int], Trial]


def s3_against_disk(rounds: int = 5, workers: int = 2) -> Seconds:
    """Run the small demo on both in turns. Raises RuntimeError where a run fails, or both did not make the same bytes."""
    taken = Seconds([], [])
    with tempfile.TemporaryDirectory(prefix="s3-") as name, seaweedfs() as server:
        for i in range(rounds):
            home = Path(name) / str(i)
            home.mkdir()
            sides = [(_on_disk, taken.disk), (_on_s3, taken.s3)]
            made = [_timed(side, into, home, server, workers) for side, into in (sides if i % 2 else sides[::-1])]
            if losses := Truth.of(made[0]).losses(made[1]):
                raise RuntimeError(f"S3 and the disk hold different parts: {losses[:3]}")
            shutil.rmtree(home)
    return taken


def _on_disk(home: Path, server: Server, workers: int) -> Trial:
    return Trial(str(home / "root"), home / "disk", lambda: len(list(records(home / "root"))), workers)


def _on_s3(home: Path, server: Server, workers: int) -> Trial:
    count = partial(count_records, server, "run")
    return Trial(server.url("run"), home / "s3", count, workers, environment=server.environment())


def _timed(side: Side, into: list[float], home: Path, server: Server, workers: int) -> Path:
    """Run one side, note its seconds, and return where its parts can be looked at."""
    trial = side(home, server, workers)
    trial.home.mkdir()
    started = time.perf_counter()
    code = trial.start().wait(timeout=1800)
    into.append(time.perf_counter() - started)
    if code:
        raise RuntimeError(f"The run on {trial.root} ends with {code}.\n{trial.printed()}")
    if not trial.root.startswith("s3:"):
        return Path(trial.root)
    copied = fetched(server, "run", home / "fetched")
    forget(server, "run")
    return copied
