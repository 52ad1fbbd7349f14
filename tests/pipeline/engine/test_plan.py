"""A plan costs in proportion to its parts: each thing is asked for once."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import fingerprint
from pipeline.engine import stage as stages
from pipeline.engine.plan import largest, plan, within
from pipeline.engine.pool import InProcess
from pipeline.engine.progress import Progress
from pipeline.engine.runner import Agenda, run
from pipeline.engine.stage import Need, Resources, Stage, one
from pipeline.engine.store import Store
from pipeline.errors import UserError
from tests.pipeline.planted import Numbers, Roots, Squares, Total


@dataclass(frozen=True)
class Steps(Stage):
    """Each of its parts reads all parts of another stage, as the fit of a step does."""

    of: Stage
    steps: int

    @property
    def n_parts(self) -> int:
        return self.steps


@dataclass(frozen=True)
class Blocks(Stage):
    """Each of its parts reads ten of another stage's."""

    of: Stage

    @property
    def n_parts(self) -> int:
        return self.of.n_parts // 10

    def needs(self, part: int) -> Iterator[Need]:
        yield self.of, range(10 * part, 10 * part + 10)


class Silent(Progress):
    """Progress that nobody sees."""


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "root")


def test_a_stage_is_described_once_and_its_folder_listed_once(store, monkeypatch):
    described, listed = Counter(), Counter()
    settings, scandir = fingerprint.settings, os.scandir

    def describe(value: object, extents: bool = False) -> object:
        if isinstance(value, Stage):
            described[value.name] += 1
        return settings(value, extents)

    def list_folder(folder: str) -> Iterator[os.DirEntry]:
        listed[Path(folder).name.rpartition("-")[0]] += 1
        return scandir(folder)

    monkeypatch.setattr(stages, "settings", describe)
    monkeypatch.setattr(os, "scandir", list_folder)
    numbers = Numbers(parts=2_000)
    plan((Total(Steps(Squares(numbers), 50)), Total(numbers)), store)
    assert described == {"numbers": 1, "squares": 1, "steps": 1, "total": 2}
    assert listed == {"numbers": 1, "squares": 1, "steps": 1, "total": 2}


def test_what_many_parts_read_is_kept_once(store):
    """50 steps that read 2,000 parts each are no 100,000 entries."""
    numbers = Numbers(parts=2_000)
    agenda = Agenda(plan((Steps(numbers, 50), Blocks(numbers)), store))
    assert len(agenda.ready) == 2_000 and agenda.waiting == 50 + 200
    assert sum(map(len, agenda._groups_of.values())) == 2 * 2_000


def test_a_task_is_ready_when_all_its_groups_are_done_and_not_before(store):
    numbers = Numbers(parts=20)
    blocks = Blocks(numbers)
    agenda = Agenda(plan((Steps(numbers, 3), blocks), store))
    agenda.ready.clear()
    for part in range(10, 20):
        assert not agenda.ready
        agenda.done((numbers, part))
    assert list(agenda.ready) == [(blocks, 1)] and agenda.waiting == 4
    for part in range(9):
        agenda.done((numbers, part))
    assert len(agenda.ready) == 1
    agenda.done((numbers, 9))
    assert [task[0].name for task in agenda.ready] == [
        "blocks",
        "steps",
        "steps",
        "steps",
        "blocks",
    ] and not agenda.waiting


def test_only_what_a_range_holds_and_is_missing_is_demanded(store):
    numbers = Numbers(parts=40)
    run(plan((numbers,), store), store, InProcess, Silent())
    for part in (3, 11, 12, 39):
        (store.root / numbers.folder / f"{part:05d}.json").unlink()
    todo = {each.stage.name: each.todo for each in plan((Squares(numbers), Blocks(numbers)), store)}
    assert todo["numbers"] == (3, 11, 12, 39)
    assert within([3, 11, 12, 39], range(10, 20)) == [11, 12] and within([3], range(4, 9)) == []


def test_what_is_damaged_is_made_again_where_that_is_asked_for_though_no_goal_needs_it(store):
    """The total is there: nobody would look at the numbers again, and a part of them would be gone for good."""
    numbers = Numbers(parts=3)
    goal = Total(Squares(numbers))
    run(plan([goal], store), store, InProcess, Silent())
    before = store.table(numbers, "numbers.parquet")
    with open(store.folder(numbers, 1) / "numbers.parquet", "r+b") as file:
        file.write(b"x")
    (store.root / numbers.folder / "00002.json").unlink()  # by hand: nobody needs it
    assert not any(each.todo for each in plan([goal], store))

    repairing = Store(store.root, repairing=True)
    plans = plan([goal], repairing)
    assert {each.stage.name: each.todo for each in plans if each.todo} == {"numbers": (1,)}
    run(plans, repairing, InProcess, Silent())
    assert store.table(numbers, "numbers.parquet", 1) == before.slice(1, 1) and store.missing(numbers) == [2]


def test_a_stage_may_read_what_its_input_reads_and_not_its_input(store):
    numbers = Numbers(parts=3)
    roots = Roots(Squares(numbers))
    todo = {each.stage.name: each.todo for each in plan((roots,), store)}
    assert todo == {"numbers": (0, 1, 2), "squares": (), "roots": (0, 1, 2)}
    run(plan((roots,), store), store, InProcess, Silent())
    assert store.table(roots, "numbers.parquet")["number"].to_pylist() == [0, 1, 2]
    (store.root / numbers.folder / "00001.json").unlink()
    (store.root / roots.folder / "00001.json").unlink()
    assert {each.stage.name: each.todo for each in plan((roots,), store)} == {
        "numbers": (1,),
        "squares": (),
        "roots": (1,),
    }


def test_what_no_field_leads_to_is_not_read(store):
    class Stray(Numbers):
        def needs(self, part: int) -> Iterator[Need]:
            yield one(Numbers(7))

    with pytest.raises(ValueError, match="stray reads numbers, and none of its fields leads there"):
        plan((Stray(1), Total(Numbers(7))), store)


def test_the_same_stage_twice_is_planned_once(store):
    plans = plan((Total(Numbers(parts=5)), Total(Numbers(parts=5))), store)
    assert [each.stage.name for each in plans] == ["numbers", "total"]


def test_an_impossible_request_is_refused_at_once(store):
    with pytest.raises(
        UserError, match="numbers would have 1,000,000,000 parts; expected at most 1,000,000.\nAsk for fewer"
    ):
        plan((Total(Numbers(parts=10**9)),), store)


@dataclass(frozen=True)
class Large(Stage):
    """A part that says what memory it takes."""

    memory: int

    @property
    def resources(self) -> Resources:
        return Resources(memory=self.memory)


def test_the_largest_part_is_of_what_is_left_to_do(tmp_path):
    store, (small, large) = Store(tmp_path), (Large(10), Large(20))
    store.prepare()
    assert largest(plan([small, large], store)) == large
    with store.part(large, 0):
        pass
    assert largest(plan([small, large], store)) == small
    assert largest(plan([Large(0)], store)) is None
