"""Progress in a log: plain lines, with parts of all, what went wrong, and a sign of life where nothing happens."""

import re
from dataclasses import dataclass

import pytest

from jobs.printing import for_people
from jobs.progress import Job, Lines, in_words
from pipeline.engine.plan import StagePlan
from pipeline.engine.worker import Failure
from tests.pipeline.planted import Numbers, wait_for


@dataclass(frozen=True)
class Working(Numbers):
    """Numbers that are work, as passes through a network are."""

    def part_work(self) -> int:
        return 10


FEW, MANY = Working(parts=2, purpose="the control"), Numbers(parts=5)
PLANS = [StagePlan(FEW, (0, 1), 0), StagePlan(MANY, (1, 2, 3, 4), 1)]


@pytest.fixture(autouse=True)
def on_standard_output():
    for_people(beside_json=False)


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when it is told to."""
    from jobs import progress

    class Time:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    time = Time()
    monkeypatch.setattr(progress, "time", time)
    return time


def printed(capsys) -> list[str]:
    return [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_a_line_says_the_parts_of_a_stage_and_of_all_and_how_long_the_rest_takes(clock, capsys):
    lines = Lines(PLANS)
    clock.now += 30
    lines.advance(FEW)
    clock.now += 70
    lines.advance(FEW)
    assert printed(capsys) == [
        "30 s  working: the control: 1 of 2 parts; in all 1 of about 6 parts; about 30 s left",
        "100 s  working: the control: 2 of 2 parts, 0.9 a minute; in all 2 of about 6 parts",
    ]


def test_no_more_lines_than_anyone_reads(clock, capsys):
    stage = Numbers(parts=1_000)
    lines = Lines([StagePlan(stage, tuple(range(1_000)), 0)])
    for _ in range(1_000):
        clock.now += 0.1
        lines.advance(stage)
    assert len(printed(capsys)) == 7  # in 100 s


def test_failures_and_retries_are_said_at_once_and_counted_after_that(clock, capsys):
    lines = Lines(PLANS)
    lines.failed((MANY, 3), Failure("ZeroDivisionError: number 3\nand more", "", False))
    lines.retried((MANY, 4), 2, "its worker died")
    lines.retried((MANY, 4), 3, "its worker died")
    clock.now += 20
    lines.advance(MANY)
    assert printed(capsys) == [
        "0 s  numbers, part 3 failed: ZeroDivisionError: number 3",
        "0 s  numbers, part 4 begun again (attempt 2): its worker died",
        "0 s  numbers, part 4 begun again (attempt 3): its worker died",
        "20 s  numbers: 1 of 4 parts; in all 1 of about 6 parts; 1 failed; 2 begun again",
    ]
    for part in range(100):
        lines.failed((MANY, part), Failure("all of them", "", False))
    assert len(printed(capsys)) == Lines.TROUBLE - 3


def test_what_is_waited_for_is_said(clock, capsys):
    clock.now += 3
    lines = Lines(PLANS)
    clock.now += 12
    lines.say("Waiting for a machine with a GPU: the cluster has none yet.")
    assert printed(capsys) == ["12 s  Waiting for a machine with a GPU: the cluster has none yet."]


def test_a_run_in_which_nothing_happens_says_that_it_is_alive(monkeypatch, capsys):
    monkeypatch.setattr(Lines, "SILENCE", 0.0)
    found = []
    with Lines(PLANS):
        wait_for(lambda: found.extend(printed(capsys)) or found, "a line")
    assert re.fullmatch(r"\d+ s  Still at work; in all 0 of about 6 parts", found[0])


def test_a_job_of_several_plans_counts_on(clock, capsys):
    job = Job(left=20, parts=6)
    first = Lines(PLANS[:1], job)
    first.advance(FEW)
    first.advance(FEW)
    second = Lines(PLANS[1:], job)
    for _ in range(4):
        second.advance(MANY)
    assert "in all 6 of about 6 parts" in printed(capsys)[-1]


@pytest.mark.parametrize(
    ("seconds", "said"), [(30, "30 s"), (120, "2 min"), (7_200, "2.0 h"), (3 * 86_400, "3.0 days")]
)
def test_time_is_said_as_a_person_would(seconds, said):
    assert in_words(seconds) == said
