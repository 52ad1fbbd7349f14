"""Scratch: local folders of what is in the making, each held by the process that made it.

    TOKEN.lock    a file that its process holds locked as long as it has anything in the making
    TOKEN/0/      what that is: some folders, used again and again

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
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

_LOCK = ".lock"
_WITHOUT_LOCKS = 7 * 24 * 3600  # seconds after which a folder is given up, on a disk that has no locks


@dataclass
class OwnFolder:
    """The folder of this process, which holds its lock: what is in the making, and what was and can be used again."""

    folder: Path
    lock: int  # a file descriptor
    idle: list[Path] = field(default_factory=list)
    made: int = 0

    def take(self) -> Path:
        """An empty folder. To make one and remove it again takes a disk longer than all else that a small part needs."""
        if self.idle:
            taken = self.idle.pop()
        else:
            taken = self.folder / str(self.made)
            self.made += 1
        taken.mkdir(parents=True, exist_ok=True)
        return taken

    def give_back(self, taken: Path) -> bool:
        """Empty a folder; whether none is in use any more."""
        for path in taken.iterdir() if taken.is_dir() else ():
            _remove(path)
        self.idle.append(taken)
        return len(self.idle) == self.made

    def let_go(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.with_name(f"{self.folder.name}{_LOCK}").unlink(missing_ok=True)
        os.close(self.lock)


_HELD: dict[tuple[Path, int], OwnFolder] = {}  # by where it is, and by process: a forked one has its own
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True)
class Scratch:
    """Folders in a folder, which is created when it is first needed."""

    home: Path

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """An empty folder of this process, removed at the end."""
        key = self.home, os.getpid()
        with _ONE_AT_A_TIME:
            if (held := _HELD.get(key)) is None:
                held = _HELD[key] = self._hold()
            folder = held.take()
        try:
            yield folder
        finally:
            with _ONE_AT_A_TIME:
                if held.give_back(folder):
                    _HELD.pop(key).let_go()

    def clear(self) -> None:
        """Remove what processes that are gone have left."""
        with suppress(FileNotFoundError):
            for token in {path.name.removesuffix(_LOCK) for path in self.home.iterdir()}:
                self._clear(token)

    def held(self) -> int:
        """How many processes have a folder here: after `clear`, those that live."""
        return len([path for path in self.home.glob("*") if path.is_dir()])

    def _hold(self) -> OwnFolder:
        """Lock a folder of a name that nobody else has.

        Who clears may have removed the lock's file before it was locked: then it is made again.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        folder = self.home / secrets.token_hex(8)
        path = self.home / f"{folder.name}{_LOCK}"
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with suppress(OSError):  # a disk without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, path):
                return OwnFolder(folder, descriptor)
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
