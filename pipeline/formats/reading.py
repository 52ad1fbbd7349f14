"""Files that are read anywhere in them, wherever they lie: what a reader needs of a file on a disk and of an object in a bucket."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pipeline.batches import batches

PIECE = 2**20  # bytes that are read, and then looked at while they are in the processor's cache
_WINDOW = 32 * PIECE  # bytes that are in memory at a time where a whole file is hashed


class Readable(Protocol):
    """A file of known size."""

    size: int

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of a range. Raises OSError where they are not all there."""
        ...

    def fill(self, start: int, into: memoryview) -> Iterator[memoryview]:
        """Fill `into` with what stands from `start` on, and yield its pieces in order, each once it is there.

        Raises OSError where the file ends too early.
        """
        ...


class LocalFile:
    """A file on a disk, open."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, start: int, stop: int) -> bytes:
        content = bytearray(stop - start)
        for _ in self.fill(start, memoryview(content)):
            pass
        return bytes(content)

    def fill(self, start: int, into: memoryview) -> Iterator[memoryview]:
        for at in batches(len(into), PIECE):
            piece, done = into[at], 0
            while done < len(piece):
                got = os.preadv(self._descriptor, [piece[done:]], start + at.start + done)
                if not got:
                    raise OSError("it ends too early")
                done += got
            yield piece


@contextmanager
def local_file(path: Path) -> Iterator[LocalFile]:
    """Open a file of a disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield LocalFile(descriptor)
    finally:
        os.close(descriptor)


def hash_of(file: Readable) -> str:
    """The SHA-256 of a whole file, as hexadecimal digits."""
    running = hashlib.sha256()
    window = memoryview(bytearray(min(file.size, _WINDOW)))
    for at in batches(file.size, _WINDOW):
        for piece in file.fill(at.start, window[: at.stop - at.start]):
            running.update(piece)
    return running.hexdigest()
