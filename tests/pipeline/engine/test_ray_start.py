"""Starts of Ray that go wrong, each in a process of its own: nothing of them is left, and nothing is ever open."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.engine.ray_pool import RayPool
from pipeline.errors import UserError

ROOT = Path(__file__).parents[3]

START = """
import os, sys, psutil
from pipeline.engine.ray_pool import RayPool
from pipeline.errors import UserError

def started():
    own = psutil.Process()
    return [each for each in own.children(recursive=True) if each.status() != psutil.STATUS_ZOMBIE]

def listening():
    return {connection.laddr.ip.removeprefix("::ffff:") for each in (psutil.Process(), *started())
            for connection in each.net_connections("inet") if connection.status == psutil.CONN_LISTEN}
"""

FAILS = """
from ray._private import node
start, times = node.Node.start_ray_processes, []
def fails(self):
    start(self)
    times.append(1)
    if len(times) <= FAILURES:
        raise WHAT("planted")
node.Node.start_ray_processes = fails
"""


def run(code: str, tmp_path: Path, **environment: str) -> list[str]:
    """The lines that it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), **environment}
    done = subprocess.run(
        [sys.executable, "-c", START + code], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def failing(times: int, what: type[BaseException]) -> str:
    """Code by which starts fail after all processes are there."""
    return FAILS.replace("FAILURES", str(times)).replace("WHAT", what.__name__)


@pytest.mark.parametrize("address", ["local", "auto"])
def test_a_ray_of_ones_own_is_closed_whatever_it_is_called(address, tmp_path):
    code = f"pool = RayPool(1, {address!r}); print(listening(), os.environ['RAY_AUTH_MODE']); pool.close(); print(started())"
    assert run(code, tmp_path, RAY_ADDRESS="local", RAY_AUTH_MODE="disabled") == ["{'127.0.0.1'} token", "[]"]
    assert not (tmp_path / ".ray").exists()


def test_a_start_that_fails_leaves_nothing_beside_the_one_that_succeeds(tmp_path):
    code = """
pool = RayPool(1)
names = [each.name() for each in started()]
print(names.count("gcs_server"), names.count("raylet"), any("dashboard.py" in " ".join(each.cmdline()) for each in started()))
pool.close()
print(started())
"""
    assert run(failing(1, RuntimeError) + code, tmp_path) == ["1 1 False", "[]"]


def test_a_start_that_is_interrupted_leaves_nothing(tmp_path):
    code = """
try:
    RayPool(1)
except KeyboardInterrupt:
    print(started(), [name for name in os.environ if "AUTH" in name])
"""
    assert run(failing(9, KeyboardInterrupt) + code, tmp_path) == ["[] []"]


def test_a_start_that_always_fails_says_so_and_leaves_nothing(tmp_path):
    code = """
try:
    RayPool(1)
except UserError as error:
    print(str(error).splitlines()[0], started())
"""
    assert run(failing(9, RuntimeError) + code, tmp_path) == ["Ray did not start on this machine (planted). []"]


def test_a_temporary_folder_whose_path_is_too_long_for_sockets_is_passed_over_with_a_word(tmp_path):
    """As batch systems give them: the job's number and name in several folders."""
    folder = tmp_path / ("job-" + "0" * 80)
    folder.mkdir()
    code = """
from pipeline.engine.progress import Progress
class Told(Progress):
    def say(self, text):
        print(text)
pool = RayPool(1, "local", Told())
print(pool.ray._private.worker._global_node.get_session_dir_path().startswith("/tmp/ray/"))
pool.close()
print(started())
"""
    said, *rest = run(code, tmp_path, TMPDIR=str(folder))
    assert said == f"Ray keeps its files in /tmp/ray: the path {folder} is too long for its sockets."
    assert rest == ["True", "[]"] and not list(folder.iterdir())


def test_an_address_where_nothing_listens_is_refused_at_once():
    started = time.monotonic()
    with pytest.raises(UserError, match="No Ray cluster answers at 127.0.0.1:9 .*refused.*\nCheck `address`"):
        RayPool(1, "127.0.0.1:9")
    assert time.monotonic() - started < 30
