"""Many things, some at a time."""

from collections.abc import Iterable, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

T = TypeVar("T")


def batches(n: int, size: int) -> Iterator[slice]:
    """Slices of `size`, the last one of what is left, that cover n things in order: of rows, samples, columns, bytes."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def ahead(items: Iterable[T], n: int) -> Iterator[T]:
    """Yield the same items, which a thread makes up to n ahead of whoever takes them. What it raises is raised here."""
    made: Queue[tuple[bool, Any]] = Queue(n)
    stopped = Event()

    def put(item: tuple[bool, Any]) -> None:
        while not stopped.is_set():
            try:
                return made.put(item, timeout=0.1)
            except Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put((True, item))
                if stopped.is_set():
                    return
            put((False, None))
        except BaseException as error:
            put((False, error))

    thread = Thread(target=make, daemon=True)
    thread.start()
    try:
        while (found := made.get())[0]:
            yield found[1]
        if found[1] is not None:
            raise found[1]
    finally:
        stopped.set()
        thread.join()
