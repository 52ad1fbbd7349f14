"""Scratch: local folders of what is in the making, each held by the process that made it.

    TOKEN.lock    a file that its process holds locked as long as it lives, wherever it runs
    TOKEN/        what it has in the making

A lock ends with its process, however that ends, and is seen from every machine and container that shares the disk: names of hosts
and numbers of processes are not, and come again. A disk that is mounted with locks of each machine alone (NFS with `nolock` or
`local_lock`, Lustre with `localflock`) cannot be shared by several.
"""

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_LOCK = ".lock"
_WITHOUT_LOCKS = 7 * 24 * 3600  # seconds after which a folder is given up, on a disk that has no locks


@dataclass(frozen=True)
class Scratch:
    """Folders in a folder, which is created when it is first needed."""

    home: Path

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """An empty folder of this process, removed at the end."""
        self.home.mkdir(parents=True, exist_ok=True)
        token = secrets.token_hex(8)
        with self._held(token):
            folder = self.home / token
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> None:
        """Remove what processes that are gone have left."""
        with suppress(FileNotFoundError):
            for token in {path.name.removesuffix(_LOCK) for path in self.home.iterdir()}:
                self._clear(token)

    def held(self) -> int:
        """How many folders there are: after `clear`, those of living processes."""
        return len([path for path in self.home.glob("*") if path.is_dir()])

    @contextmanager
    def _held(self, token: str) -> Iterator[None]:
        """Hold a lock. Who clears may have removed its file before it was locked: then it is made again."""
        path = self.home / f"{token}{_LOCK}"
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with suppress(OSError):  # a disk without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, path):
                break
            os.close(descriptor)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def _clear(self, token: str) -> None:
        """Remove a folder whose lock nobody holds; one that lost its lock's file is nobody's."""
        path = self.home / f"{token}{_LOCK}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            _remove(self.home / token)
            return
        except OSError:  # another user's
            return
        try:
            if _nobody_holds(descriptor):
                _remove(self.home / token)
                path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _nobody_holds(descriptor: int) -> bool:
    """Whether a lock's process is gone; without locks, whether it is old."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - os.fstat(descriptor).st_mtime > _WITHOUT_LOCKS
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    """Remove a folder, or a file."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
