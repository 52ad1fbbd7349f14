"""A fingerprint changes with what changes the bytes, and with nothing else."""

from dataclasses import dataclass, field, replace

import pytest

from pipeline.engine.stage import Stage, in_order, one
from pipeline.fingerprint import EXTENT, PART_BY_PART, not_hashed, settings
from tests.pipeline.planted import Greedy, Halves, Numbers, Shared


@dataclass(frozen=True)
class Source(Stage):
    size: int
    where: str = not_hashed("here")


@dataclass(frozen=True)
class Reader(Stage):
    sources: tuple[Source, ...]
    rate: float = 1.0


def test_a_setting_changes_the_fingerprint_and_back():
    stage = Source(3)
    assert replace(stage, size=4).fingerprint != stage.fingerprint
    assert replace(replace(stage, size=4), size=3).fingerprint == stage.fingerprint


def test_what_does_not_change_the_bytes_is_left_out():
    assert Source(3, where="there").fingerprint == Source(3).fingerprint


def test_inputs_are_part_of_the_fingerprint():
    this, other = Reader((Source(3), Source(4))), Reader((Source(3), Source(5)))
    assert this.fingerprint != other.fingerprint
    assert this.inputs == (Source(3), Source(4))


def test_a_raised_version_changes_the_fingerprint(monkeypatch):
    before = Source(3).fingerprint
    monkeypatch.setattr(Source, "version", 2)
    assert Source(3).fingerprint != before


def test_the_fingerprint_is_the_same_in_every_process():
    """A golden number: if it changes, every finished part of every user is orphaned."""
    assert Reader((Source(3),), 0.5).folder == "reader-b918279536d1689c"


def test_a_stage_reads_all_parts_of_its_inputs_unless_it_says_otherwise():
    assert list(Reader((Source(3), Source(4))).needs(0)) == [(Source(3), range(1)), (Source(4), range(1))]
    assert one(Source(3), 2) == (Source(3), range(2, 3))


def test_order_puts_every_stage_after_its_inputs_once():
    shared = Source(3)
    first, second = Reader((shared,)), Reader((shared, Source(4)))
    assert in_order((second, first)) == [shared, Source(4), second, first]


def test_a_share_of_the_work_is_a_stage_before_the_one_that_it_is_for_and_reads_what_that_one_reads():
    numbers = Numbers(3)
    shared = Shared(numbers)
    assert shared.inputs == (numbers, shared.halves) and shared.halves == Halves(shared)
    assert shared.halves.inputs == Halves(shared).inputs == (numbers,)
    assert in_order((shared,)) == [numbers, shared.halves, shared]
    assert settings(shared) == {"is": "tests.pipeline.planted:Shared", "numbers": numbers.folder}
    assert Shared(Numbers(4)).halves.folder != shared.halves.folder == replace(shared, purpose="again").halves.folder


def test_what_a_part_takes_is_no_setting():
    assert Greedy(3, memory=5).resources.memory == 5 and Greedy(3, memory=5).folder == Greedy(3).folder
    assert (Source(3).resources.gpus, Source(3).resources.memory) == (0, 0)


def test_what_a_stage_is_for_is_told_to_people_and_changes_nothing():
    told = Source(3, purpose="the control")
    assert told.title == "source: the control" and Source(3).title == "source"
    assert (
        told == Source(3)
        and told.fingerprint == Source(3).fingerprint
        and "purpose" not in settings(told, extents=True)
    )


def test_a_setting_that_json_cannot_hold_is_refused():
    with pytest.raises(TypeError, match="set"):
        settings({1, 2})


@dataclass(frozen=True)
class Many(Stage):
    rate: float
    n: int = field(metadata=EXTENT)


@dataclass(frozen=True)
class Each(Stage):
    many: Many = field(metadata=PART_BY_PART)


@dataclass(frozen=True)
class All(Stage):
    each: Each


def test_more_of_the_same_is_the_same_stage_and_to_what_reads_all_of_it_another():
    few, more = Each(Many(1.0, 10)), Each(Many(1.0, 20))
    assert (few.extent, more.extent, All(few).extent) == (10, 20, None)
    assert few.folder == more.folder and few.many.folder == more.many.folder
    assert All(few).folder != All(more).folder
    assert Each(Many(2.0, 10)).folder != few.folder


def test_an_extent_is_described_where_it_is_asked_for():
    assert settings(Many(1.0, 10)) == {"is": f"{__name__}:Many", "rate": 1.0}
    assert settings(Many(1.0, 10), extents=True) == {"is": f"{__name__}:Many", "rate": 1.0, "n": 10}
