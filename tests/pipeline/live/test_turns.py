"""Turns at the model: newer requests of a page replace its older ones, others wait, and the line has an end."""

import queue
import threading
from collections.abc import Generator

import pytest

from pipeline.errors import UserError
from pipeline.live.studio import Event, PictureOrder
from pipeline.live.turns import LineIsFull, Turns
from tests.pipeline.live.serving import LONG


class Desk:
    """Work of which every step waits until it is let go on, and what everyone was told."""

    def __init__(self, steps: int = 3):
        self.steps = steps
        self.gate = threading.Semaphore(0)
        self.began: queue.Queue[int] = queue.Queue()
        self.closed: queue.Queue[int] = queue.Queue()
        self.told: dict[str, queue.Queue[Event]] = {}

    def work(self, order: PictureOrder) -> Generator[Event | None]:
        self.began.put(order.seed)
        try:
            for step in range(self.steps):
                assert self.gate.acquire(timeout=LONG)
                yield {"kind": "pictures", "step": step}
        finally:
            self.closed.put(order.seed)

    def tell(self, name: str):
        self.told[name] = queue.Queue()
        return self.told[name].put

    def next(self, name: str) -> Event:
        return self.told[name].get(timeout=LONG)

    def until_last(self, name: str) -> list[str]:
        """The kinds of all that somebody is told, to the last."""
        kinds = []
        while not kinds or kinds[-1] not in ("done", "replaced", "failed"):
            kinds.append(self.next(name)["kind"])
        return kinds


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def turns(desk):
    found = Turns(desk.work, most=3)
    yield found
    desk.gate.release(1000)
    found.close()


def test_a_newer_request_of_a_page_ends_its_older_one_before_the_next_step(desk, turns):
    turns.ask("a", PictureOrder(1, 1), desk.tell("old"))
    assert desk.began.get(timeout=LONG) == 1
    desk.gate.release()
    assert [desk.next("old")["kind"] for _ in range(2)] == ["waiting", "pictures"]
    turns.ask("a", PictureOrder(2, 1), desk.tell("new"))
    assert desk.next("old") == {"kind": "replaced"}, "at once"
    desk.gate.release()  # the step that is under way
    assert desk.closed.get(timeout=LONG) == 1 and desk.began.get(timeout=LONG) == 2
    assert desk.told["old"].empty(), "nothing of that step is told"
    desk.gate.release(3)
    assert desk.until_last("new") == ["waiting", "pictures", "pictures", "pictures", "done"]


def test_pages_take_turns_and_are_told_how_many_are_ahead(desk, turns):
    turns.ask("a", PictureOrder(1, 1), desk.tell("a"))
    assert desk.began.get(timeout=LONG) == 1
    turns.ask("b", PictureOrder(2, 1), desk.tell("b"))
    turns.ask("c", PictureOrder(3, 1), desk.tell("c"))
    assert desk.next("b") == {"kind": "waiting", "ahead": 1} and desk.next("c") == {"kind": "waiting", "ahead": 2}
    turns.ask("b", PictureOrder(4, 1), desk.tell("b again"))
    assert desk.next("b") == {"kind": "replaced"}
    assert desk.next("b again") == {"kind": "waiting", "ahead": 1}, "a newer request has the place of the older one"
    turns.ask("a", PictureOrder(5, 1), desk.tell("a again"))
    assert desk.next("a again") == {"kind": "waiting", "ahead": 2}, "who is worked for and asks again lets others pass"
    desk.gate.release(1 + 3 * 3)
    assert [desk.began.get(timeout=LONG) for _ in range(3)] == [4, 3, 5]
    assert desk.until_last("a again")[-1] == "done"


def test_the_line_has_an_end_but_not_for_who_stands_in_it(desk, turns):
    turns.ask("a", PictureOrder(1, 1), desk.tell("a"))
    assert desk.began.get(timeout=LONG) == 1
    for page in "bcd":
        turns.ask(page, PictureOrder(2, 1), desk.tell(page))
    with pytest.raises(LineIsFull, match="3 others wait"):
        turns.ask("e", PictureOrder(2, 1), desk.tell("e"))
    turns.ask("d", PictureOrder(3, 1), desk.tell("d again"))


def test_who_leaves_is_not_worked_for(desk, turns):
    turns.ask("a", PictureOrder(1, 1), desk.tell("a"))
    assert desk.began.get(timeout=LONG) == 1
    left = turns.ask("b", PictureOrder(2, 1), desk.tell("b"))
    turns.ask("c", PictureOrder(3, 1), desk.tell("c"))
    assert desk.next("c") == {"kind": "waiting", "ahead": 2}
    turns.leave(left)
    assert desk.next("c") == {"kind": "waiting", "ahead": 1}
    desk.gate.release(6)
    assert desk.began.get(timeout=LONG) == 3
    assert desk.until_last("c")[-1] == "done"


@pytest.mark.parametrize(
    ("error", "said"),
    [(UserError("It has no such direction."), "It has no such direction."), (KeyError("x"), "terminal")],
)
def test_what_goes_wrong_is_told_and_the_next_is_worked_for(error, said):
    def work(order: PictureOrder) -> Generator[Event | None]:
        if order.seed == 1:
            raise error
        yield None

    desk = Desk()
    turns = Turns(work)
    turns.ask("a", PictureOrder(1, 1), desk.tell("a"))
    turns.ask("b", PictureOrder(2, 1), desk.tell("b"))
    last = desk.next("a")
    while last["kind"] == "waiting":
        last = desk.next("a")
    assert last["kind"] == "failed" and said in last["said"]
    assert desk.until_last("b")[-1] == "done"
    turns.close()


def test_closing_ends_what_is_worked_on(desk):
    turns = Turns(desk.work)
    turns.ask("a", PictureOrder(1, 1), desk.tell("a"))
    assert desk.began.get(timeout=LONG) == 1
    closing = threading.Thread(target=turns.close)
    closing.start()
    with turns._changed:
        assert turns._changed.wait_for(lambda: turns.closed, timeout=LONG)
    desk.gate.release()
    closing.join(LONG)
    assert not closing.is_alive() and desk.closed.get(timeout=LONG) == 1
