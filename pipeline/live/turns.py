"""Turns at the model: one thread works, and whoever asks waits in a line that says how long it is.

A page has one request at a time. A newer one takes the place of its older one in the line; where the older one is being worked
on, that ends before its next step, and the newer one goes to the end: so whoever moves a slider all the time lets others pass.
"""

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field

from pipeline.errors import UserError
from pipeline.live.studio import Event, PictureOrder

MOST_WAITING = 16

Work = Callable[[PictureOrder], Generator[Event | None]]  # None after a step of which there is nothing to tell
Tell = Callable[[Event], None]  # from the thread that works


class LineIsFull(UserError):
    """More wait than will be let in."""


@dataclass(eq=False)
class Turn:
    """One request, from when it is asked to its last event: done, replaced or failed."""

    page: str
    order: PictureOrder
    tell: Tell
    given_up: bool = False
    ahead: int = -1  # how many it was last told to be before it


@dataclass
class Turns:
    """The line, and the thread that works it off."""

    work: Work
    most: int = MOST_WAITING
    waiting: list[Turn] = field(default_factory=list, init=False)
    running: Turn | None = field(default=None, init=False)
    closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._live, name="turns", daemon=True)
        self._thread.start()

    def ask(self, page: str, order: PictureOrder, tell: Tell) -> Turn:
        """Take a place in the line, or that of the page's older request. Raises LineIsFull where nobody else is let in."""
        turn = Turn(page, order, tell)
        with self._changed:
            place = next((i for i, each in enumerate(self.waiting) if each.page == page), None)
            if place is not None:
                self._give_up(self.waiting[place], {"kind": "replaced"})
                self.waiting[place] = turn
            elif len(self.waiting) >= self.most:
                raise LineIsFull(f"{len(self.waiting)} others wait for this model already. Try again in a while.")
            else:
                self.waiting.append(turn)
            if self.running and self.running.page == page:
                self._give_up(self.running, {"kind": "replaced"})
            self._tell_places()
            self._changed.notify_all()
        return turn

    def leave(self, turn: Turn) -> None:
        """Ask for nothing more: nobody looks any longer. What has ended is left alone."""
        with self._changed:
            turn.given_up = True
            if turn in self.waiting:
                self.waiting.remove(turn)
            self._tell_places()
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread, before the next step of what it works on."""
        with self._changed:
            self.closed = True
            for each in [*self.waiting, *filter(None, [self.running])]:
                each.given_up = True
            self.waiting.clear()
            self._changed.notify_all()
        self._thread.join()

    def _live(self) -> None:
        while (turn := self._next()) is not None:
            last = self._worked_off(turn)
            with self._changed:
                self.running = None
                if last and not turn.given_up:
                    turn.tell(last)
                self._changed.notify_all()

    def _next(self) -> Turn | None:
        """Wait for who is first in the line; None when it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.waiting or self.closed)
            if self.closed:
                return None
            self.running = self.waiting.pop(0)
            self._tell_places()
            return self.running

    def _worked_off(self, turn: Turn) -> Event | None:
        """Work, until it is done or given up; what to tell at last."""
        try:
            with closing(self.work(turn.order)) as events:
                for event in events:
                    with self._changed:
                        if turn.given_up:
                            return None
                        if event:
                            turn.tell(event)
        except UserError as error:
            return {"kind": "failed", "said": str(error)}
        except Exception:
            logging.getLogger(__name__).exception("Pictures could not be made")
            return {"kind": "failed", "said": "The pictures could not be made: the terminal of the server says why."}
        return {"kind": "done"}

    def _give_up(self, turn: Turn, last: Event) -> None:
        if not turn.given_up:
            turn.given_up = True
            turn.tell(last)

    def _tell_places(self) -> None:
        """Tell each who waits how many are ahead, where that has changed; 0 is who is worked for."""
        line = [each for each in (self.running, *self.waiting) if each and not each.given_up]
        for ahead, turn in enumerate(line):
            if turn.ahead != ahead:
                turn.ahead = ahead
                turn.tell({"kind": "waiting", "ahead": ahead})
