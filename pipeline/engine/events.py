"""The log of a run's events: JSON lines, as `schemas.events` has them, left in the root every few seconds."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import Any

from pipeline.engine.progress import Progress
from pipeline.engine.worker import Failure, Made, Task

EVERY = 2.0  # seconds between two states of the log
SHARE = 0.05  # of the time at most goes into leaving it
MOST = 20_000_000  # bytes, beyond which only what is rare is told


class EventLog(Progress):
    """What happens, told at once and left by a thread of its own: a run never waits for its log, nor fails by it.

    leave: leaves the whole log, in the place of what was left before. `close` leaves its last state.
    """

    def __init__(self, leave: Callable[[bytes], None], every: float = EVERY, most: int = MOST) -> None:
        self.leave, self.every, self.most = leave, every, most
        self.left_out = 0
        self.fault: Exception | None = None  # why the last state could not be left
        self._lines: list[bytes] = []
        self._bytes = self._left = 0
        self._lock, self._closed = Lock(), Event()
        self._thread = Thread(target=self._leave_now_and_then, daemon=True)
        self._thread.start()

    def tell(self, event: str, /, *, rare: bool = True, **fields: Any) -> None:
        """Add an event; one of many is left out where there is no room."""
        told = {"time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"), "event": event}
        line = json.dumps({**told, **{name: value for name, value in fields.items() if value is not None}}).encode()
        with self._lock:
            if self._bytes > (2 * self.most if rare else self.most) and event != "ended":
                self.left_out += 1
                return
            self._lines.append(line + b"\n")
            self._bytes += len(line) + 1

    def made(self, task: Task, made: Made) -> None:
        phases = {f"{phase}_seconds": seconds for phase, seconds in made.seconds.items()}
        took = {"seconds": round(made.all_seconds, 6), **phases, "bytes": made.bytes, "memory": made.memory}
        self.tell("made", rare=False, **_of(task), **took, worker=made.worker)

    def failed(self, task: Task, failure: Failure) -> None:
        self.tell("failed", **_of(task), worker=failure.worker or None, message=failure.message)

    def retried(self, task: Task, attempt: int, why: str) -> None:
        self.tell("retried", **_of(task), attempt=attempt, message=why)

    def say(self, text: str) -> None:
        self.tell("said", message=text)

    def close(self) -> None:
        """Leave all that was told."""
        self._closed.set()
        self._thread.join()
        self._leave_changed()

    def _leave_now_and_then(self) -> None:
        wait = min(0.1, self.every)  # its beginning soon
        while not self._closed.wait(wait):
            started = time.monotonic()
            self._leave_changed()
            wait = max(self.every, (time.monotonic() - started) / SHARE)

    def _leave_changed(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, [b"".join(self._lines)]
            content, changed = self._lines[0], self._bytes != self._left
            del lines
        if not changed:
            return
        try:
            self.leave(content)
            self._left, self.fault = len(content), None
        except Exception as error:
            self.fault = error


def _of(task: Task) -> dict[str, Any]:
    stage, part = task
    return {"stage": stage.folder, "title": stage.title, "part": part}
