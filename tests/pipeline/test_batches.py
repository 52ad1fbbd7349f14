"""What is made ahead is what would be made otherwise: the same things, errors included, and no more than is allowed."""

import threading
import time

import pytest

from pipeline.batches import ahead


def test_the_same_things_in_the_same_order():
    assert list(ahead(range(100), 3)) == list(range(100)) and list(ahead([], 1)) == []


def test_no_more_is_made_than_is_allowed():
    made = []
    items = ahead((made.append(i) or i for i in range(50)), 2)
    assert next(items) == 0
    time.sleep(0.3)
    assert len(made) <= 4, "one taken, two that wait, and one in hand"
    assert list(items) == list(range(1, 50))


def test_an_error_is_raised_where_the_items_are_taken():
    def broken():
        yield 1
        raise ValueError("no second one")

    items = ahead(broken(), 2)
    assert next(items) == 1
    with pytest.raises(ValueError, match="no second one"):
        next(items)


def test_who_stops_taking_ends_the_thread():
    before = threading.active_count()
    items = ahead(iter(int, 1), 2)
    next(items)
    assert threading.active_count() == before + 1
    items.close()
    assert threading.active_count() == before
