"""Faults of processes: each ends, stops or misleads what it says, and a seed decides which."""

import random
import signal
import subprocess
import sys
from collections import Counter

import psutil
import pytest

from benchmarks._chaos_job import Trial, ended
from benchmarks._chaos_strikes import ON_RAY, interrupt, kill_driver, kill_worker, pick, scramble_times, wrong_clock


@pytest.fixture
def trial(tmp_path):
    with ended(Trial("root", tmp_path, lambda: 0)) as trial:
        yield trial


@pytest.mark.parametrize(("strike", "code"), [(kill_driver, -signal.SIGKILL), (interrupt, -signal.SIGINT)])
def test_a_driver_ends_and_is_struck_once(strike, code, trial):
    driver = trial.popen(["sleep", "60"])
    assert strike(trial, driver, random.Random(0))
    assert driver.returncode == code
    assert not strike(trial, driver, random.Random(0))


def test_a_worker_is_killed_by_its_title_and_nothing_else_is(trial):
    driver = trial.popen(["sleep", "60"])
    assert not kill_worker(trial, driver, random.Random(0))
    worker = trial.popen(["bash", "-c", "exec -a ray::Worker.make sleep 60"])
    while not trial.of("ray::"):
        assert worker.poll() is None
    assert kill_worker(trial, driver, random.Random(0))
    assert worker.wait(timeout=10) == -signal.SIGKILL
    assert driver.poll() is None


def test_strikes_are_as_frequent_as_they_are_weighted():
    chance = random.Random(0)
    counts = Counter(pick(ON_RAY, chance)[0] for _ in range(3000))
    total = sum(share for share, _ in ON_RAY.values())
    assert all(abs(counts[name] / 3000 - share / total) < 0.05 for name, (share, _) in ON_RAY.items())


SAYS = "import time; a = time.time(); b = time.time(); print(a, b, time.time_ns() / 1e9)"


def test_a_wrong_clock_is_off_by_days_and_stays_so_unless_it_jumps(trial, tmp_path):
    environment = {**trial.variables(), **wrong_clock(tmp_path / "clock", jumps=False)}
    said = subprocess.run([sys.executable, "-c", SAYS], env=environment, capture_output=True, check=True)
    before, after, in_ns = map(float, said.stdout.split())
    assert abs(before - psutil.boot_time()) > 86400
    assert 0 < after - before < 5 and abs(in_ns - after) < 5


def test_files_get_any_time(tmp_path):
    for i in range(20):
        (tmp_path / str(i)).touch()
    assert scramble_times(tmp_path, random.Random(0)) == 20
    times = [path.stat().st_mtime for path in tmp_path.iterdir()]
    assert max(times) - min(times) > 20 * 365 * 86400
