"""A real, local Ray: parts are made, workers die, and the bytes are those of one process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import ray

from pipeline.cluster import InProcess, RayPool
from pipeline.errors import UserError
from pipeline.runner import RunFailed, plan, run
from pipeline.stage import Stage
from pipeline.store import Store
from tests.pipeline.planted import Deadly, Failing, Squares, Total, wait_for

ROOT = Path(__file__).parents[2]


class Silent:
    def advance(self, stage: Stage) -> None:
        pass


class Borrowed:
    """The module's pool, for one run: closing it is left to the fixture."""

    def __init__(self, pool: RayPool) -> None:
        self.size, self.submit, self.next_done = pool.size, pool.submit, pool.next_done

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Two workers, started without a token in the home folder and beside a Ray address that leads nowhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("PYTHONPATH", str(ROOT))  # workers import the planted stages by name
        patch.setenv("RAY_ADDRESS", "192.0.2.1:6379")
        patch.delenv("RAY_AUTH_MODE", raising=False)
        pool = RayPool(2)
        yield pool
        pool.close()


@pytest.fixture
def marks(tmp_path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def sums(store: Store, stage: Stage) -> list[dict]:
    return [store.record(stage, part)["files"] for part in range(stage.n_parts) if store.exists(stage, part)]


def make(store: Store, goal: Stage, open_pool) -> None:
    run(plan((goal,), store), store, open_pool, Silent())


def test_a_worker_killed_in_the_middle_of_a_part_is_replaced_and_the_bytes_are_those_of_one_process(
    pool, marks, tmp_path
):
    numbers = Deadly(parts=5, once=(1, 3), marks=str(marks))
    goal = Total(Squares(numbers))
    on_ray, in_process = Store(tmp_path / "ray"), Store(tmp_path / "process")
    make(on_ray, goal, lambda: Borrowed(pool))
    assert sorted(path.name for path in marks.iterdir()) == ["1.0", "3.0"], "both died once"
    make(in_process, goal, InProcess)  # the marks are there, so nobody dies

    for stage in (numbers, Squares(numbers), goal):
        assert len(sums(on_ray, stage)) == stage.n_parts
        assert sums(on_ray, stage) == sums(in_process, stage)
    on_ray.prepare()
    assert list((on_ray.root / ".scratch").iterdir()) == []


def test_a_part_that_always_kills_its_worker_is_given_up_and_named_while_others_finish(pool, marks, tmp_path):
    store, numbers = Store(tmp_path / "root"), Deadly(parts=4, always=(2,), marks=str(marks))
    with pytest.raises(RunFailed) as failed:
        make(store, Squares(numbers), lambda: Borrowed(pool))
    first, last = str(failed.value).splitlines()
    assert first.startswith("deadly part 2: its worker died 4 times: ")
    assert last == "1 parts that need these were not started."
    assert store.missing(numbers) == [2] and store.missing(Squares(numbers)) == [2]
    assert len(list(marks.iterdir())) == RayPool.ATTEMPTS


def test_a_failure_comes_back_with_its_traceback_and_the_pool_stays_of_use(pool, tmp_path):
    store = Store(tmp_path / "root")
    with pytest.raises(RunFailed, match="failing part 0: ZeroDivisionError: number 0") as failed:
        make(store, Failing(parts=3, failing=(0,)), lambda: Borrowed(pool))
    assert "planted.py" in next(iter(failed.value.failures.values())).traceback
    assert store.missing(Failing(parts=3, failing=(0,))) == [0]


def test_no_token_is_needed_nor_made(pool):
    assert not (Path(os.environ["HOME"]) / ".ray" / "auth_token").exists()
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


@pytest.mark.slow  # starts a Ray of its own, twice
def test_when_the_driver_is_killed_its_ray_goes_too_and_the_next_run_finds_what_was_finished(tmp_path):
    store, gate = Store(tmp_path / "root"), tmp_path / "gate"
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.pipeline.test_cluster import *; from tests.pipeline.planted import *\n"
        "goal = Total(Gated(parts=4, held=2, gate=sys.argv[2]))\n"
        "make(Store(Path(sys.argv[1])), goal, lambda: RayPool(2))"
    )
    command = [sys.executable, "-c", code, str(store.root), str(gate)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PLANTED_DRIVER": str(tmp_path)}

    driver = subprocess.Popen(command, cwd=ROOT, env=environment)
    reached = tmp_path / "gate.reached.3"
    wait_for(lambda: reached.exists() or driver.poll() is not None, "both workers to be in the middle of a part")
    assert len(processes_of(tmp_path)) > 3
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_for(lambda: not processes_of(tmp_path), "the processes of the killed driver's Ray to end")

    gate.touch()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=300)
    assert len(list(store.root.glob("gated-*/*.json"))) == 5
    assert [path.read_text() for path in store.root.glob("total-*/00000/total.txt")] == ["6\n"]


def processes_of(mark: Path) -> list[psutil.Process]:
    """Living processes that were started, directly or not, with this mark in their environment."""

    def marked(process: psutil.Process) -> bool:
        try:
            return process.environ().get("PLANTED_DRIVER") == str(mark) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    return [process for process in psutil.process_iter() if marked(process)]


class NoRay(Exception):
    pass


@pytest.mark.parametrize(
    ("address", "tries", "message"),
    [
        (None, 2, "Ray did not start on this machine .*\nTry again .*--workers 0"),
        ("10.0.0.1:6379", 1, "No Ray cluster answers at 10.0.0.1:6379 .*\nCheck --address"),
    ],
)
def test_a_ray_that_does_not_start_or_answer_is_an_error_that_says_what_to_do(address, tries, message, monkeypatch):
    """A Ray of one's own is given a second try: the first may have met a cold disk."""
    tried = []

    def init(**options: object) -> None:
        tried.append(options["address"])
        raise NoRay("planted")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # or the choice made for the address would outlive this test
    with pytest.raises(UserError, match=message):
        RayPool(address=address)
    assert tried == [address or "local"] * tries
