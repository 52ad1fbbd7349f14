"""Where parts lie: files by their names below a root, behind one small interface, and what can be wrong with it."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import UserError
from pipeline.formats.reading import Readable

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_FAILING = (errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.ENOTCONN, errno.ESHUTDOWN, errno.ETIMEDOUT)
MARKS = ".marks"  # of runs that go on, in an object store; one whose driver was killed stays
PASSING = (*_FAILING, errno.EBUSY, errno.EAGAIN, errno.EINTR)  # what may be over at the next try


class Unusable(UserError):
    """A root cannot be worked with: every further part would fail alike."""


class Failing(Unusable):
    """A root does not answer as it should, which may be over at the next try."""


class NotShared(Unusable):
    """This machine has not the root that the run has."""


@dataclass(frozen=True)
class Entry:
    """What a listing says of a file."""

    bytes: int
    tag: str  # another one after every change


class Filesystem(Protocol):
    """Files by their names below a root, with `/` between folders. What is not there raises FileNotFoundError.

    Raises Unusable where it cannot be known whether something is there: what cannot be read is not missing.
    """

    @property
    def address(self) -> str:
        """The root, for people."""
        ...

    def folders(self) -> list[str]:
        """The folders that lie in the root, but for those that begin with a dot."""
        ...

    def listing(self, folder: str) -> dict[str, Entry]:
        """The files below a folder at any depth, by their names within it. Empty where there is no such folder."""
        ...

    def read(self, name: str) -> bytes: ...

    def open(self, name: str, size: int | None = None) -> AbstractContextManager[Readable]:
        """A file to be read anywhere in it; its size need not be asked for where the caller knows it."""
        ...

    def cached(self, sha256: str, read: Callable[[], bytes]) -> bytes:
        """What `read` gives, perhaps as it was once read: content that should have this SHA-256. The caller sees whether it has."""
        ...

    def write(self, name: str, content: bytes, staging: Path) -> None:
        """Write a file, whole or not at all, in the place of what is there."""
        ...

    def write_new(self, name: str, content: bytes, staging: Path) -> bool:
        """Write a file, whole or not at all, unless there is one of its name: return whether there was none."""
        ...

    def publish(self, local: Path, folder: str, files: dict[str, Any]) -> None:
        """Make what a local folder holds, these files by what a record says of them, lie in a folder here, whatever lay there."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all that is in it, where it is there."""
        ...

    def prepare(self) -> None:
        """Create the root, see that it can be written, and clear what killed processes left in the scratch."""
        ...

    def clear_scratch(self) -> None:
        """Remove what killed processes left in the making, on every machine whose disk this process sees."""
        ...

    def staging(self) -> AbstractContextManager[Path]:
        """An empty local folder of this process, removed at the end."""
        ...

    def marked(self) -> AbstractContextManager[str]:
        """A mark in the root while the block lasts, by which other processes know that they see the same root."""
        ...

    def at_work(self) -> str:
        """What says that a process is making something here; empty where nothing does."""
        ...

    def check_shared(self, mark: str) -> None:
        """Raise NotShared where this process does not see the mark."""
        ...

    def free_bytes(self) -> int | None:
        """The space that is left; None where there is no end to be seen."""
        ...


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Raise Unusable, with what to do, for what a disk refuses for good."""
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in FULL:
            raise Unusable(
                f"Could not write on in {where}: {why}.\n"
                "Make room, then run the same command again; what was finished is kept."
            ) from error
        if error.errno in _DENIED:
            raise Unusable(
                f"{error.filename or where} cannot be read or written ({why}).\n"
                "Make it readable and writable for this user, or give another folder with `root`."
            ) from error
        if error.errno in _FAILING:
            raise Failing(
                f"{error.filename or where} cannot be read or written ({why}): the disk or its connection fails.\n"
                "Nothing was made again in its place. See to the disk, then run the same command again."
            ) from error
        raise


def temporary() -> Path:
    """A folder of this user's on this machine's disk, for scratch and caches. Raises UserError where it is somebody else's."""
    folder = Path(tempfile.gettempdir()) / f"hspace-directions-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise UserError(f"{folder} belongs to somebody else.\nName another folder for temporary files with TMPDIR.")
    return folder
