"""The seconds of a part by phase: each without those inside it, and of its own thread alone."""

from threading import Thread

import pytest

from pipeline import phases
from pipeline.phases import PHASES, phase, timed


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when it is told to."""

    class Time:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    time = Time()
    monkeypatch.setattr(phases, "time", time)
    return time


def test_a_phase_inside_another_is_counted_once(clock):
    with timed() as found:
        clock.now += 1
        with phase("commit"):
            clock.now += 2
            with phase("read"):
                clock.now += 4
            clock.now += 8
        clock.now += 16
        assert found.seconds == {"load": 0, "read": 4, "compute": 17, "write": 0, "commit": 10}
        clock.now += 32
    assert found.seconds["compute"] == 49 and tuple(found.seconds) == PHASES


def test_a_function_is_a_phase_also_where_it_fails(clock):
    @phase("write")
    def fail():
        clock.now += 3
        raise ZeroDivisionError

    with timed() as found:
        with pytest.raises(ZeroDivisionError):
            fail()
        clock.now += 1
        assert (found.seconds["write"], found.seconds["compute"]) == (3, 1)


def test_what_another_thread_does_ahead_is_no_time_of_this_one(clock):
    def ahead():
        with phase("read"):
            clock.now += 5

    with timed() as found:
        thread = Thread(target=ahead)
        thread.start()
        thread.join()
        assert (found.seconds["read"], found.seconds["compute"]) == (0, 5)


def test_without_a_clock_nothing_is_counted(clock):
    with phase("read"):
        clock.now += 1
    with timed() as found:
        assert sum(found.seconds.values()) == 0
