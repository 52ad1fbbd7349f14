"""The simulated fleet, where its results can be worked out by hand."""

import pytest

from benchmarks._fleet import Costs, Fleet


def test_a_fleet_that_loses_nothing_and_waits_for_nothing_does_useful_work_alone():
    spent = Fleet(10, 0.0, Costs(part=60)).run(100)
    assert spent.efficiency == 1 and spent.wall == 600 and spent.losses == 0


def test_a_driver_that_takes_longer_than_its_workers_is_the_bottleneck():
    """10 workers need one part a second; the driver hands out one in two seconds."""
    spent = Fleet(10, 0.0, Costs(part=10, driver=2)).run(1000)
    assert spent.bottleneck == "driver" and spent.driver_busy == 2000
    assert spent.wall == pytest.approx(2010) and spent.efficiency == pytest.approx(0.5, abs=0.01)


def test_half_a_part_is_lost_with_a_machine_and_the_start_of_another_one():
    """5 % an hour of 1,000 machines over 10 h are about 500, each in the middle of a part."""
    spent = Fleet(1000, 0.05, Costs(part=600, start=60, boot=240, notice=30)).run(60_000)
    assert spent.losses == pytest.approx(500, rel=0.15)
    assert spent.lost / spent.losses == pytest.approx(300, rel=0.1)
    assert spent.starting == pytest.approx(60_000 + 300 * spent.losses)
    assert 0.9 < spent.efficiency < 1


def test_parts_that_are_left_for_few_leave_the_others_idle():
    spent = Fleet(10, 0.0, Costs(part=100)).run(11)
    assert spent.bottleneck == "idle" and spent.idle == 900 and spent.wall == 200
