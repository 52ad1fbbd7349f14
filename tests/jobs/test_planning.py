"""What a plan says: hours of the device by a timed pass, the clock with so many workers, what is assumed, and what it takes."""

import json
from dataclasses import dataclass

import pytest

from jobs import planning
from jobs.planning import show_plan
from jobs.printing import for_people
from jobs.timing import Estimate
from jobs.where import Where
from pipeline.engine.plan import StagePlan, plan
from pipeline.engine.source_code import SourceCode
from pipeline.engine.store import Store
from tests.pipeline.planted import Greedy, Numbers, Total


@dataclass(frozen=True)
class Working(Numbers):
    """Numbers of 3,600 passes a part."""

    def part_work(self) -> int:
        return 3_600


SAMPLES = Working(parts=20, purpose="to find directions in")
HELD_OUT = Working(parts=3, start=9, purpose="held out")
PASS = Estimate(seconds_a_pass=0.5, batch=32, device="NVIDIA A100", on_gpu=True, gpu_memory=3_000_000_000, hours=11.5)


@pytest.fixture
def plans(tmp_path) -> list[StagePlan]:
    return plan([Total(SAMPLES), Total(HELD_OUT), Greedy(1, memory=2_500_000_000)], Store(tmp_path / "root"))


@pytest.fixture
def said(plans, tmp_path, monkeypatch, capsys):
    """What is printed for people, and the object for machines."""

    def show(timed: Estimate | None, modified: bool = False, **where) -> tuple[str, dict]:
        monkeypatch.setattr(planning, "estimate", lambda plans: timed)
        monkeypatch.setattr(planning, "source_code", lambda: SourceCode("abc", modified, ""))
        for_people(beside_json=True)
        show_plan(plans, Store(tmp_path / "root"), Where(str(tmp_path / "root"), json=True, plan=True, **where))
        for_people(beside_json=False)
        output, text = capsys.readouterr()
        return text, json.loads(output)

    return show


@pytest.mark.parametrize(("workers", "rounds"), [(1, 23), (2, 10 + 2), (8, 3 + 1), (64, 2)])
def test_the_clock_counts_parts_in_whole_rounds(workers, rounds, plans):
    assert PASS.on_the_clock(plans, workers) == pytest.approx(rounds * 3_600 * 0.5 / 3600)


def test_gpu_hours_the_clock_memory_gigabytes_and_what_is_assumed(said):
    text, told = said(PASS, time=True, workers=4)
    assert "11.5 GPU-hours in all" in text and "took 3.00 GB of memory on the GPU" in text
    assert "every pass of an image takes 500 ms, as in batches of 32 on NVIDIA A100" in text and "not counted" in text
    assert told["gpu_hours"] == 11.5 and told["hours"] == told["hours_by_workers"]["4"] == 3.0
    assert told["hours_by_workers"] == {"1": 11.5, "4": 3.0, "8": 2.0, "64": 1.0}
    assert told["gigabytes_of_memory"] == 2.5 and "Greedy" not in text and "of greedy: 2.50 GB" in text
    assert told["gigabytes"] == pytest.approx(0.026) and told["work"] == 23 * 3_600


def test_without_a_gpu_the_hours_are_of_a_core(said):
    text, told = said(Estimate(0.5, 32, "a CPU core of this machine", False, 0, 11.5), time=True)
    assert "11.5 hours of a CPU core in all" in text and told["gpu_hours"] is None and "on the GPU" not in text


def test_without_a_timed_batch_the_work_is_told(said):
    text, told = said(None)
    assert "82,800 passes" in text and "--time says how long" in text
    assert (told["hours"], told["gpu_hours"], told["timed"]) == (None, None, None)


def test_each_stage_has_its_purpose(said):
    text, told = said(None)
    assert {each["title"] for each in told["stages"]} >= {"working: to find directions in", "working: held out"}
    [row] = [
        line for line in map(str.strip, text.splitlines()) if line.endswith(" held out") and line.startswith("working-")
    ]
    assert row.split()[:4] == [HELD_OUT.folder, "3", "0", "3"]


def test_code_that_is_in_no_commit_is_told(said):
    text, told = said(None, modified=True)
    assert "uncommitted changes" in text and told["modified"] is True
    text, told = said(None)
    assert "uncommitted" not in text and told["modified"] is False
