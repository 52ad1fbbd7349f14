"""The log of events: left every few seconds, bounded, and never the reason that a run ends."""

import json
from threading import Event

from pipeline.engine.events import EventLog
from pipeline.engine.worker import Failure, Made
from pipeline.phases import PHASES
from tests.pipeline.planted import Numbers, wait_for

TASK = (Numbers(parts=3, purpose="to count"), 2)
MADE = Made("here:1", dict.fromkeys(PHASES, 0.5), 1_000, 2_000)


class Left:
    """What was left last, and how often something was."""

    def __init__(self) -> None:
        self.times, self.content = 0, b""

    def __call__(self, content: bytes) -> None:
        self.times, self.content = self.times + 1, content

    @property
    def events(self) -> list[dict]:
        return [json.loads(line) for line in self.content.decode().splitlines()]


def test_what_is_told_is_left_soon_without_being_closed():
    left = Left()
    log = EventLog(left, every=0.01)
    log.made(TASK, MADE)
    wait_for(lambda: left.content, "the first event")
    log.failed((TASK[0], 1), Failure("no\nreason", "", True, worker="here:1"))
    log.retried(TASK, 2, "its worker died")
    wait_for(lambda: len(left.events) == 3, "the other events")
    log.close()
    made, failed, retried = left.events
    assert (made["title"], made["part"], made["seconds"], made["read_seconds"]) == ("numbers: to count", 2, 2.5, 0.5)
    assert (made["bytes"], made["memory"], made["worker"]) == (1_000, 2_000, "here:1")
    assert (failed["event"], failed["message"]) == ("failed", "no\nreason")
    assert (retried["attempt"], retried["message"]) == (2, "its worker died")


def test_closing_leaves_the_last_event_and_nothing_is_left_twice():
    left = Left()
    log = EventLog(left, every=60)
    log.say("waiting for a machine")
    log.close()
    assert [each["message"] for each in left.events] == ["waiting for a machine"] and left.times == 1
    log.close()
    assert left.times == 1


def test_a_long_run_keeps_what_is_rare_and_counts_what_is_left_out():
    left = Left()
    log = EventLog(left, every=60, most=3_000)
    for _ in range(100):
        log.made(TASK, MADE)
    log.say("rare")
    log.tell("ended", left_out=log.left_out)
    log.close()
    kinds = [each["event"] for each in left.events]
    assert kinds[-2:] == ["said", "ended"] and 3 < kinds.count("made") < 20
    assert left.events[-1]["left_out"] == 100 - kinds.count("made")
    assert len(left.content) < 4_000


def test_a_log_that_cannot_be_left_stops_nothing_and_is_left_when_it_can():
    failed, left = Event(), Left()

    def unsteady(content: bytes) -> None:
        if not failed.is_set():
            failed.set()
            raise ConnectionResetError("gone")
        left(content)

    log = EventLog(unsteady, every=0.01)
    log.say("one")
    assert failed.wait(60)
    wait_for(lambda: left.content, "the next try")
    log.close()
    assert [each["message"] for each in left.events] == ["one"] and log.fault is None
