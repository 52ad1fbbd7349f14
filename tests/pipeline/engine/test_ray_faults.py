"""Workers that die, stop, hang and cannot load: the run goes on as long as anything can be done."""

import os
import random
import signal
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest

from pipeline.engine.attempts import Order
from pipeline.engine.crew import Member
from pipeline.engine.limits import Limits
from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.runner import RunFailed, run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from tests.pipeline.engine.test_ray_pool import Borrowed, Silent
from tests.pipeline.planted import Hanging, Slow, Squares, Total, Unloadable, wait_for

ROOT = Path(__file__).parents[3]
IMPATIENT = Limits(review=0.2, floor=1.0, factor=3.0, look=0.5)


@pytest.fixture(scope="module")
def pool():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        pool = RayPool(2, "local", limits=IMPATIENT)
        yield pool
        pool.close()


@pytest.fixture
def marks(tmp_path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def make(store: Store, goal: Stage, pool: RayPool) -> None:
    store.prepare()
    run(plan((goal,), store), store, lambda: Borrowed(pool), Silent())


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("how", ["stopping", pytest.param("waiting", marks=pytest.mark.slow)])
def test_a_part_that_stops_or_hangs_is_made_by_another_worker_and_its_own_is_killed(pool, marks, tmp_path, how):
    store, numbers = Store(tmp_path / "root"), Hanging(parts=8, marks=str(marks), **{how: (2, 5)})
    make(store, Total(numbers), pool)
    assert store.text(Total(numbers), "total.txt") == "28\n"
    attempts = [path.name.split(".") for path in marks.iterdir()]
    assert sorted((part, attempt) for part, attempt, _ in attempts) == [("2", "0"), ("5", "0")]
    wait_for(lambda: all(gone(int(pid)) for _, _, pid in attempts), "the hung workers to end")


@pytest.mark.slow
def test_a_part_that_hangs_at_every_attempt_is_given_up_and_named(pool, marks, tmp_path):
    store = Store(tmp_path / "root")
    numbers = Hanging(parts=6, waiting=(3,), attempts=99, marks=str(marks))
    with pytest.raises(RunFailed, match="hanging part 3: it was not done in [0-9]+ s, nor in 3 attempts before"):
        make(store, Squares(numbers), pool)
    assert store.missing(numbers) == [3] and store.missing(Squares(numbers)) == [3]
    assert 3 <= len(list(marks.iterdir())) <= 4


class Nowhere:
    """What a pool asks of Ray, where no worker answers."""

    def nodes(self) -> list[dict]:
        return [{"Alive": True, "NodeID": "here", "Resources": {"CPU": 2}}]

    def kill(self, actor: None) -> None:
        pass


def test_a_part_that_is_given_up_while_two_workers_are_late_with_it_is_given_up_once(monkeypatch):
    monkeypatch.setattr("pipeline.engine.ray_pool.connected", lambda *_: nullcontext(Nowhere()))
    pool, numbers = RayPool(2, "local", limits=IMPATIENT), Slow(parts=4)
    pool.pace.took(numbers, 0.1, loading=True)
    crew = pool.crews.of(numbers)
    order = Order(numbers, 0, Store("memory://late"), misses=IMPATIENT.attempts - 1, open=2)
    for _ in range(2):
        crew.members.add(member := Member(crew, None, order.store))
        member.begin([order])
        member.misses, member.since = 0, member.since - 1.5 * IMPATIENT.floor
    pool._review()
    assert [task for task, _ in pool.done] == [(numbers, 0)] and not crew.members


@pytest.mark.parametrize("on_ray", [True, False])
def test_what_cannot_be_loaded_is_not_tried_for_every_part(pool, marks, tmp_path, on_ray):
    store, numbers = Store(tmp_path / "root"), Unloadable(parts=50, marks=str(marks))
    with pytest.raises(RunFailed, match="unloadable part [0-9]+ and 49 more: RuntimeError: no such model") as failed:
        if on_ray:
            make(store, Squares(numbers), pool)
        else:
            store.prepare()
            run(plan((Squares(numbers),), store), store, InProcess, Silent())
    assert len(failed.value.failures) == 50 and failed.value.blocked == 50
    assert len(list(marks.iterdir())) <= (2 if on_ray else 1)


def workers() -> list[psutil.Process]:
    return [each for each in psutil.Process().children(recursive=True) if each.name().startswith("ray::RayWorker")]


def test_workers_that_are_killed_all_the_time_do_not_end_the_run(pool, tmp_path):
    """One is killed whenever three parts are done: more of them than a part may have attempts."""
    killed: list[int] = []

    class Killing(Silent):
        parts = 0

        def advance(self, stage: Stage) -> None:
            self.parts += 1
            if self.parts % 3 == 0 and (living := workers()):
                killed.append(random.choice(living).pid)
                os.kill(killed[-1], signal.SIGKILL)

    store, numbers = Store(tmp_path / "root"), Slow(parts=30, seconds=0.3)
    store.prepare()
    run(plan((Total(numbers),), store), store, lambda: Borrowed(pool), Killing())
    assert store.text(Total(numbers), "total.txt") == "435\n"
    assert len(set(killed)) > 2 * IMPATIENT.attempts


@pytest.mark.slow
def test_workers_that_are_killed_every_three_seconds_do_not_end_the_run(pool, tmp_path):
    store, numbers, over = Store(tmp_path / "root"), Slow(parts=60, seconds=0.5), threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while not over.wait(3):
            for each in [each for each in workers() if time.time() > each.create_time() + 8][:1]:
                killed.append(each.pid)
                each.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        make(store, Total(numbers), pool)
    finally:
        over.set()
        killer.join()
    assert store.text(Total(numbers), "total.txt") == "1770\n" and len(killed) > IMPATIENT.attempts
