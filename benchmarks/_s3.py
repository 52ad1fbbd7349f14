"""The small demo with its root on an object store, against the same on the local disk: what it costs to be on S3.

SeaweedFS serves on the loopback interface of the same machine, so that both sides end on one disk; what is measured is requests,
copies and checks, and not a network. Both run as a person types them, in turns, on empty roots and empty caches.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from unittest.mock import patch

from benchmarks._chaos_bucket import count_records, fetched, forget
from benchmarks._chaos_check import Truth
from benchmarks._chaos_job import Trial, records
from benchmarks._servers import Server
from pipeline.engine import inventory
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store


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


def s3_against_disk(server: Server, rounds: int = 5, workers: int = 2) -> Seconds:
    """Run the small demo on both in turns. Raises RuntimeError where a run fails, or both did not make the same bytes."""
    taken = Seconds([], [])
    with tempfile.TemporaryDirectory(prefix="s3-") as name:
        for i in range(rounds):
            home = Path(name) / str(i)
            home.mkdir()
            sides = [(_on_disk, taken.disk), (_on_s3, taken.s3)]
            made = [_timed(side, into, home, server, workers) for side, into in (sides if i % 2 else sides[::-1])]
            if losses := Truth.of(made[0]).losses(made[1]):
                raise RuntimeError(f"S3 and the disk hold different parts: {losses[:3]}")
            shutil.rmtree(home)
    return taken


def scan(server: Server, stage: Stage) -> tuple[float, float]:
    """Seconds to make all parts of a stage in a bucket, and to find in another process that all are there."""
    with patch.dict(os.environ, server.environment()):
        store = Store(server.url("scan"))
        store.prepare()
        started = time.perf_counter()
        for part in range(stage.n_parts):
            with store.part(stage, part) as out:
                stage.process(part, store, None, out)
        kept = time.perf_counter() - started
        inventory._READ.clear()  # what this process has read, another one has not
        started = time.perf_counter()
        if missing := store.missing(stage):
            raise RuntimeError(f"{len(missing)} parts are missing.")
        return kept, time.perf_counter() - started


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
