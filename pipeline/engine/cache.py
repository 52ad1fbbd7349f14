"""A cache of small files on this machine's disk, by the SHA-256 that their content should have."""

import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LARGEST = 128 * 2**20  # bytes of a file that is kept
ROOM = 4 * 2**30  # bytes of all; the oldest go first


class Cache:
    """A folder of files, which any number of processes share. It is never needed: what is not there is read again."""

    def __init__(self, home: Path, room: int = ROOM) -> None:
        self.home, self.room = home, room
        self._kept = room  # bytes since the last look at what all are: the first look is at the first file

    def get(self, sha256: str, read: Callable[[], bytes]) -> bytes:
        """Return the content with this SHA-256: from here where it is, and else what `read` gives, whatever that is."""
        path = self.home / sha256[:2] / sha256
        with suppress(OSError):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == sha256:
                return content
        content = read()
        if len(content) <= min(LARGEST, self.room) and hashlib.sha256(content).hexdigest() == sha256:
            with suppress(OSError):  # a full disk: it is read again the next time
                self._keep(path, content)
        return content

    def _keep(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{secrets.token_hex(8)}")
        try:
            new.write_bytes(content)
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)
        self._kept += len(content)
        if self._kept > self.room // 16:
            self._kept = 0
            self._make_room()

    def _make_room(self) -> None:
        """Remove the oldest files while all are more than there is room for."""
        found = [(path.stat(), path) for path in self.home.glob("??/*")]
        over = sum(seen.st_size for seen, _ in found) - self.room
        for seen, path in sorted(found, key=lambda each: each[0].st_mtime):
            if over <= 0:
                return
            path.unlink(missing_ok=True)
            over -= seen.st_size
