"""A minute of chaos, as it runs before every change: nothing is lost."""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import chaos as benchmark
from benchmarks._chaos_check import Truth
from benchmarks._chaos_job import Hung
from benchmarks._chaos_rounds import ROUNDS, Chaos, play
from benchmarks._servers import Server

ROOT = Path(__file__).parents[2]


@pytest.fixture
def chaos(tmp_path):
    return Chaos(Truth({}, Counter()), tmp_path, Server(1), random.Random(0))


def test_every_round_is_played_once_before_any_is_played_again(chaos, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(benchmark.time, "monotonic", lambda: next(clock))
    played: list[str] = []
    monkeypatch.setattr(benchmark, "play", lambda name, chaos: played.append(name))
    turns = benchmark.play_until(chaos, until=60, names=["a", "b", "c"])
    assert all(sorted(played[i : i + 3]) == ["a", "b", "c"] for i in range(0, len(played) - 2, 3))
    assert turns == Counter(played) and len(played) > 9


def test_a_run_that_hangs_is_a_loss(chaos, monkeypatch):
    def hang(chaos: Chaos) -> None:
        raise Hung("no part came")

    monkeypatch.setitem(ROUNDS, "drivers", hang)
    play("drivers", chaos)
    assert chaos.losses == ["drivers: no part came"]


def test_faults_of_requests_are_counted_apart(chaos):
    chaos.faults.update({"store: reset": 50, "worker killed": 2, "bit flipped": 3})
    assert benchmark.struck_beside_requests(chaos) == 5


def test_a_minute_loses_nothing():
    """Of rounds that take a minute at most, the shortest first by this seed."""
    rounds = ("rot", "bucket", "processes", "drivers")
    command = [sys.executable, "-m", "benchmarks.chaos", "--minutes", "1", "--seed", "9", "--only", *rounds]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    figures = json.loads(result.stdout.splitlines()[-1])["figures"]
    assert figures["losses"] == 0 and figures["rounds"] >= 1 and figures["faults_beside_requests_to_the_store"] >= 5
