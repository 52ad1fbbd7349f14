"""What is made, in which order, and what a failure stops."""

from collections import deque

import pytest

from pipeline.engine.filesystem import Unusable
from pipeline.engine.plan import check_space, plan
from pipeline.engine.pool import InProcess, Task
from pipeline.engine.progress import Progress
from pipeline.engine.runner import RunFailed, run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.worker import Made, Outcome, Worker
from pipeline.errors import UserError
from tests.pipeline.planted import Failing, Greedy, Numbers, Shared, Squares, Total

NUMBERS = Numbers(parts=4)
SQUARES = Squares(NUMBERS)
TOTAL = Total(SQUARES)


class Recorder(Progress):
    """A progress that remembers what was made."""

    def __init__(self) -> None:
        self.advanced: list[str] = []

    def advance(self, stage: Stage) -> None:
        self.advanced.append(stage.name)


class TwoAtOnce:
    """A pool of two workers: what was submitted first ends first, or last. `events` tells what happened when."""

    memory = 1e9

    def __init__(self, newest_first: bool = False) -> None:
        self.newest_first = newest_first
        self.waiting: deque[tuple[Task, Store]] = deque()
        self.running: list[tuple[Task, Store]] = []
        self.events: list[tuple[str, str, int]] = []
        self.closed = False

    def submit(self, task: Task, store: Store) -> None:
        self.waiting.append((task, store))
        self._begin()

    def _begin(self) -> None:
        while self.waiting and len(self.running) < 2:
            self.running.append(self.waiting.popleft())
            stage, part = self.running[-1][0]
            self.events.append(("begin", stage.name, part))

    def next_done(self) -> tuple[Task, Outcome]:
        task, store = self.running.pop(-1 if self.newest_first else 0)
        self.events.append(("end", task[0].name, task[1]))
        self._begin()
        return task, Worker().make(*task, store)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "root")


def make(store: Store, *goals: Stage) -> list[str]:
    """Make the goals in this process; the names of the stages whose parts were made, in order."""
    progress = Recorder()
    run(plan(goals, store), store, InProcess, progress)
    return progress.advanced


def todo(store: Store, *goals: Stage) -> dict[str, tuple[int, ...]]:
    return {each.stage.name: each.todo for each in plan(goals, store)}


def remove(store: Store, stage: Stage, part: int) -> None:
    (store.root / stage.folder / f"{part:05d}.json").unlink()


def refuse_to_open() -> InProcess:
    raise AssertionError("there is nothing to do, so no pool is needed")


# What is planned


def test_a_plan_lists_the_stages_in_the_order_of_the_flow_with_what_is_there_and_what_is_not(store):
    make(store, NUMBERS)
    remove(store, NUMBERS, 2)
    plans = plan((TOTAL,), store)
    assert [(each.stage.name, each.done, each.todo) for each in plans] == [
        ("numbers", 3, (2,)),
        ("squares", 0, (0, 1, 2, 3)),
        ("total", 0, (0,)),
    ]
    assert [each.bytes for each in plans] == [1_000_000, 4_000_000, 1_000_000]


def test_the_result_is_the_planted_one(store):
    assert make(store, TOTAL) == ["numbers"] * 4 + ["squares"] * 4 + ["total"]
    assert (store.folder(TOTAL) / "total.txt").read_text() == "14\n"


def test_a_goal_that_is_there_makes_nothing_and_opens_no_pool(store):
    make(store, TOTAL)
    run(plan((TOTAL,), store), store, refuse_to_open, Recorder())


def test_what_nobody_needs_any_more_is_not_made_again(store):
    make(store, TOTAL)
    for part in range(4):
        remove(store, NUMBERS, part)
    assert todo(store, TOTAL) == {"numbers": (), "squares": (), "total": ()}


def test_only_what_a_missing_part_needs_is_made(store):
    make(store, TOTAL)
    for part in range(4):
        remove(store, NUMBERS, part)
    remove(store, SQUARES, 1)
    remove(store, TOTAL, 0)
    assert todo(store, TOTAL) == {"numbers": (1,), "squares": (1,), "total": (0,)}
    assert make(store, TOTAL) == ["numbers", "squares", "total"]


def test_another_setting_makes_its_own_parts_and_the_first_ones_are_found_again(store):
    make(store, TOTAL)
    other = Total(Squares(Numbers(parts=4, start=1)))
    assert len(make(store, other)) == 9
    assert (store.folder(other) / "total.txt").read_text() == "30\n"
    assert make(store, TOTAL) == []


def test_two_goals_share_what_they_both_need(store):
    assert make(store, TOTAL, Total(NUMBERS)).count("numbers") == 4


def test_settings_are_checked_before_anything_is_made(store):
    class Bad(Numbers):
        def check(self) -> None:
            raise UserError("no good")

    with pytest.raises(UserError, match="no good"):
        plan((Total(NUMBERS), Total(Bad(parts=1))), store)
    assert not store.root.exists()


def test_a_plan_that_the_disk_cannot_hold_is_refused_with_the_numbers(store, monkeypatch):
    class Large(Numbers):
        def part_bytes(self) -> int:
            return 2_000_000_000

    plans = plan((Large(parts=3),), store)
    monkeypatch.setattr(Store, "free_bytes", lambda self: 6_290_000_000)
    with pytest.raises(UserError, match=r"writes about 6.30 GB, and .*/root has 6.29 GB left.\nGive a `root`"):
        check_space(plans, store)
    monkeypatch.setattr(Store, "free_bytes", lambda self: 6_310_000_000)
    check_space(plans, store)
    assert not store.root.exists()


# How it is run


def test_a_part_starts_as_soon_as_what_it_needs_is_there(store):
    """Squares begin before the last number is done; with a barrier between stages they could not."""
    pool = TwoAtOnce()
    run(plan((TOTAL,), store), store, lambda: pool, Recorder())
    assert pool.events.index(("begin", "squares", 0)) < pool.events.index(("end", "numbers", 3))
    assert pool.events[-1] == ("end", "total", 0) and pool.closed


@pytest.mark.parametrize("newest_first", [False, True])
def test_no_part_starts_before_what_it_needs(store, newest_first):
    pool = TwoAtOnce(newest_first)
    run(plan((TOTAL,), store), store, lambda: pool, Recorder())
    for part in range(4):
        assert pool.events.index(("end", "numbers", part)) < pool.events.index(("begin", "squares", part))
    assert pool.events[-2:] == [("begin", "total", 0), ("end", "total", 0)]
    assert len(pool.events) == 2 * 9


def test_a_failing_part_stops_only_what_needs_it_and_is_named(store):
    failing = Failing(parts=4, failing=(2,))
    pool = TwoAtOnce()
    with pytest.raises(RunFailed) as failed:
        run(plan((Total(Squares(failing)), TOTAL), store), store, lambda: pool, Recorder())

    assert str(failed.value).splitlines() == [
        "failing part 2: ZeroDivisionError: number 2",
        "2 parts that need these were not started.",
    ]
    [failure] = failed.value.failures.values()
    assert "in process" in failure.traceback and not failure.user_error
    assert store.missing(failing) == [2] and store.missing(Squares(failing)) == [2]
    assert store.exists(TOTAL, 0), "the other goal is made"
    assert pool.closed


def test_what_the_user_can_mend_is_told_without_a_traceback(store):
    with pytest.raises(RunFailed, match="failing part 0: 0 is a bad number.") as failed:
        make(store, Failing(parts=1, failing=(0,), by_user=True))
    [failure] = failed.value.failures.values()
    assert failure.user_error and failure.traceback == ""


def test_many_failures_fit_on_one_screen(store):
    with pytest.raises(RunFailed) as failed:
        make(store, Total(Failing(parts=100, failing=tuple(range(100)))))
    lines = str(failed.value).splitlines()
    assert len(lines) == 10
    assert lines[-2:] == ["92 more parts failed.", "1 parts that need these were not started."]
    assert len(failed.value.failures) == 100


def test_a_run_goes_on_where_the_last_one_failed(store):
    failing = Failing(parts=4, failing=(2,))
    with pytest.raises(RunFailed, match="failing part 2: ZeroDivisionError: number 2\n1 parts that need these"):
        make(store, Total(failing))

    class Mended(Failing):
        name = "failing"

        def process(self, *args) -> None:
            Numbers.process(self, *args)

        @property
        def fingerprint(self) -> str:
            return failing.fingerprint

    assert make(store, Total(Mended(parts=4))) == ["failing", "total"]


def test_the_pool_is_closed_when_a_run_is_interrupted(store):
    class Interrupted(TwoAtOnce):
        def next_done(self) -> tuple[Task, Outcome]:
            raise KeyboardInterrupt

    pool = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        run(plan((TOTAL,), store), store, lambda: pool, Recorder())
    assert pool.closed


def test_a_worker_loads_what_a_stage_needs_once_and_keeps_few(store):
    loads = []

    class Loading(Numbers):
        def setup(self) -> int:
            loads.append(self.start)
            return self.start

        def process(self, part, store, loaded, out) -> None:
            assert loaded == self.start
            super().process(part, store, loaded, out)

    worker = Worker()
    for start in (0, 0, 1, 2, 0, 3, 3, 0, 1):
        assert isinstance(worker.make(Loading(parts=1, start=start), 0, store), Made)
        assert isinstance(worker.make(Numbers(parts=1, start=start), 0, store), Made)
    assert loads == [0, 1, 2, 3, 1], "what was used last is kept, and what has nothing to load takes no place"
    assert sum(loaded is not None for loaded in worker.loaded.values()) == 3


def test_a_stage_that_has_its_work_shared_is_made_of_the_shares(store):
    shared = Shared(NUMBERS)
    assert make(store, shared) == [*["numbers"] * 4, "halves", "halves", "shared"]
    assert store.table(shared.halves, "numbers.parquet")["number"].to_pylist() == [0 + 2, 1 + 3]
    assert store.text(shared, "total.txt") == "6\n"


def test_a_part_that_no_machine_has_the_memory_for_is_refused_before_any_work(store):
    with pytest.raises(UserError, match="greedy: the whole takes about 2.5 GB of memory, .* has 1.0 GB.*\nWork on a"):
        plans = plan((Greedy(2, memory=2_500_000_000, purpose="the whole"), TOTAL), store)
        run(plans, store, TwoAtOnce, Recorder())
    assert store.missing(NUMBERS) == [0, 1, 2, 3]


def test_a_store_that_cannot_be_worked_with_ends_the_run_at_the_first_part(store):
    tried = []

    class Gone(Numbers):
        def process(self, part: int, *args) -> None:
            tried.append(part)
            raise Unusable("The disk is gone.\nMount it.")

    with pytest.raises(UserError, match="The disk is gone.\nMount it."):
        make(store, Total(Gone(parts=9)))
    assert tried == [0]


def test_what_a_killed_worker_left_in_the_making_is_gone_when_the_run_ends(store):
    left = store.root / ".scratch" / "killed"
    store.prepare()
    left.mkdir()
    (left / "half").write_text("half")
    run(plan((TOTAL,), store), store, InProcess, Progress())
    assert [*(store.root / ".scratch").iterdir()] == []
