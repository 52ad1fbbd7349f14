"""What a record says of how its part was made: where, with what, how long each phase took, and how much memory."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline.engine import usage
from pipeline.engine.source_code import source_code
from pipeline.engine.store import Store
from pipeline.engine.worker import Failure, Made, Worker
from tests.pipeline.planted import Failing, Numbers, Squares

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Slow(Numbers):
    """Numbers that take a known time and memory: to load, to read, to compute and to write."""

    def setup(self) -> None:
        time.sleep(0.2)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        time.sleep(0.3)
        held = np.ones(60_000_000, np.int8)
        super().process(part, store, loaded, out)
        del held


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "root")


def test_a_record_has_the_seconds_of_each_phase_and_the_peak_of_memory(store):
    worker, stage = Worker(), Slow(parts=2)
    first, second = worker.make(stage, 0, store), worker.make(stage, 1, store)
    assert isinstance(first, Made) and isinstance(second, Made)
    made = store.record(stage, 0)["made"]
    assert made["seconds_by_phase"]["load"] >= 0.2 > second.seconds["load"]
    assert 0.3 <= made["seconds_by_phase"]["compute"] < 3
    assert made["seconds_by_phase"]["write"] > 0 and made["seconds_by_phase"]["commit"] > 0
    assert made["seconds"] == pytest.approx(sum(made["seconds_by_phase"].values()), abs=0.01)
    assert first.seconds["commit"] >= made["seconds_by_phase"]["commit"]
    assert first.memory == made["peak_memory"] > 60_000_000
    assert first.bytes == sum(each["bytes"] for each in store.record(stage, 0)["files"].values())
    assert first.worker.endswith(f":{os.getpid()}") and made["gpu"] is None


def test_reading_is_counted_as_reading(store):
    numbers = Numbers(parts=1)
    worker = Worker()
    assert isinstance(worker.make(numbers, 0, store), Made)
    made = worker.make(Squares(numbers), 0, store)
    assert isinstance(made, Made) and made.seconds["read"] > 0


def test_the_peak_is_of_a_part_and_not_of_the_one_before(store):
    """In a process of its own: what others have freed before, a part may take without a new peak."""
    code = (
        "from tests.pipeline.engine.test_provenance import *\n"
        f"worker, store = Worker(), Store({str(store.root)!r})\n"
        "print(worker.make(Slow(parts=1), 0, store).memory, worker.make(Numbers(parts=1), 0, store).memory)"
    )
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    large, small = map(int, output.split())
    assert small < large - 30_000_000


def test_where_the_system_does_not_tell_the_peak_it_is_that_of_the_process(monkeypatch, tmp_path):
    monkeypatch.setattr(usage, "_OWN", tmp_path / "nothing here")
    usage.forget_peak()
    assert usage.peak_memory() > 10_000_000


def test_a_failure_names_its_worker(store):
    failure = Worker().make(Failing(parts=1, failing=(0,)), 0, store)
    assert isinstance(failure, Failure) and failure.worker.endswith(f":{os.getpid()}")


def git(folder: Path, *arguments: str) -> None:
    name = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True)


def test_uncommitted_code_is_told_from_a_commit(tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "schemas").mkdir()
    (tmp_path / "pipeline" / "a.py").write_text("a = 1\n")
    (tmp_path / "notes.md").write_text("notes\n")

    def found():
        source_code.cache_clear()
        return source_code(tmp_path)

    alone = found()
    assert (alone.commit, alone.modified) == (None, False)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    clean = found()
    assert clean.commit and not clean.modified and clean.sha256 == alone.sha256
    (tmp_path / "notes.md").write_text("more notes\n")
    assert found() == clean, "notes decide nothing"
    (tmp_path / "pipeline" / "b.py").write_text("b = 2\n")
    added = found()
    assert added.modified and added.commit == clean.commit and added.sha256 != clean.sha256
    (tmp_path / "pipeline" / "b.py").unlink()
    (tmp_path / "pipeline" / "a.py").write_text("a = 2\n")
    assert found().modified
    source_code.cache_clear()
