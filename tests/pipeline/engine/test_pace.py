"""How many parts go to a worker at once, and when one is late."""

import pytest

from pipeline.engine.limits import Limits
from pipeline.engine.pace import Pace


@pytest.fixture
def pace() -> Pace:
    return Pace(Limits(chunk=0.25, most=64, factor=10.0, floor=60.0))


@pytest.mark.parametrize(("seconds", "parts"), [(0.0, 64), (0.002, 64), (0.01, 25), (0.2, 1), (30.0, 1)])
def test_short_parts_go_together_and_long_ones_alone(pace, seconds, parts):
    assert pace.chunk("stage") == 1, "nothing is known of it"
    pace.took("stage", 5.0, loading=True)
    assert pace.chunk("stage") == 1, "nothing is known without the load"
    pace.took("stage", seconds, loading=False)
    assert pace.chunk("stage") == parts and pace.chunk("another") == 1


def test_a_part_is_late_after_ten_times_what_half_of_its_siblings_took(pace):
    assert pace.allowed("stage", loading=False) is None
    for seconds in (10.0, 30.0, 31.0, 33.0, 1000.0):
        pace.took("stage", seconds, loading=False)
    assert pace.allowed("stage", loading=False) == 310.0
    assert [pace.allowed("stage", False, misses) for misses in (1, 2)] == [620.0, 1240.0]


def test_short_parts_are_given_a_minute_and_those_that_load_are_judged_by_others_that_load(pace):
    pace.took("stage", 0.5, loading=False)
    assert pace.allowed("stage", loading=False) == 60.0
    assert pace.allowed("stage", loading=True) is None, "a model may take long to load"
    pace.took("stage", 90.0, loading=True)
    assert pace.allowed("stage", loading=True) == 900.0
