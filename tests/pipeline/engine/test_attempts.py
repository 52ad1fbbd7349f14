"""What the deaths of workers say of the parts that they were making."""

import random
from pathlib import Path

import pytest

from pipeline.engine.attempts import Attempts, Order
from pipeline.engine.limits import Limits
from pipeline.engine.store import Store
from tests.pipeline.planted import Numbers

NUMBERS, STORE = Numbers(parts=100), Store(Path("nowhere"))


def orders(n: int) -> list[Order]:
    return [Order(NUMBERS, part, STORE) for part in range(n)]


def test_a_part_that_kills_its_workers_among_others_that_do_not_is_given_up_at_the_last_attempt():
    attempts, [bad, *good] = Attempts(Limits(attempts=4)), orders(11)
    for order in good:
        attempts.made(order)
    assert [attempts.died(bad) for _ in range(4)] == [False, False, False, True]


def test_a_part_that_is_alone_is_given_up_at_the_last_attempt():
    attempts, [only] = Attempts(Limits(attempts=4)), orders(1)
    assert [attempts.died(only) for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize("seed", range(20))
def test_where_workers_die_of_other_things_no_part_is_given_up_and_the_one_that_kills_them_is(seed):
    """Of 100 attempts 40 are ended from outside; part 0 ends every one of its own."""
    attempts, chance = Attempts(Limits(attempts=4)), random.Random(seed)
    [bad, *waiting] = orders(100)
    waiting.insert(50, bad)
    given_up = []
    while waiting:
        order = waiting.pop(0)
        if order is not bad and chance.random() > 0.4:
            attempts.made(order)
        elif attempts.died(order):
            given_up.append(order.part)
        else:
            waiting.append(order)
    assert given_up == [0]
    assert attempts.by_accident == pytest.approx(0.4, abs=0.15)
    assert bad.deaths < 25


def test_a_stage_of_which_all_parts_kill_their_worker_is_known_for_it_and_one_that_made_a_part_is_not():
    attempts, found = Attempts(Limits(attempts=4)), orders(3)
    for i in range(12):
        assert not attempts.in_vain(NUMBERS)
        attempts.died(found[i % 3])
    assert attempts.in_vain(NUMBERS)
    attempts.made(found[0])
    assert not attempts.in_vain(NUMBERS)


def test_parts_go_together_where_nothing_speaks_against_it():
    first, second, third = orders(3)
    assert second.goes_with(first)
    third.alone = True
    assert not third.goes_with(first)
    assert not Order(NUMBERS, 1, Store(Path("elsewhere"))).goes_with(first)
    assert not Order(Numbers(parts=3), 1, STORE).goes_with(first)
