"""What a signal to end does: the same as Ctrl-C, so that all that is open is closed and the run says how far it came."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

STOPPED = 128 + signal.SIGINT  # the exit code after Ctrl-C
ENDED = 128 + signal.SIGTERM  # the exit code after what a cluster sends to a job that is to end


def end_by_signal() -> None:
    """Have SIGTERM raise SystemExit where the process is.

    Ray's own handler, which it puts in this one's place when it starts, aborts the process three seconds later.
    """
    if current_thread() is main_thread():
        signal.signal(signal.SIGTERM, _end)


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """`end_by_signal` in the block."""
    before = signal.getsignal(signal.SIGTERM)
    end_by_signal()
    try:
        yield
    finally:
        if current_thread() is main_thread():
            signal.signal(signal.SIGTERM, before)


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)
