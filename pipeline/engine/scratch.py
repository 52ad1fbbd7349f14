"""The scratch of a store, `.scratch` in its root: folders of parts in the making, and how what is made comes into its place.

Each folder is named by host and process. One that a run keeps while it goes is its mark: a machine that does not see it has
another folder of the root's name.
"""

import errno
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.engine.records import all_as_recorded
from pipeline.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class NotShared(UserError):
    """This machine has not the root that the run has."""


def prepare(root: Path) -> None:
    """Create the root, see that it can be written, and clear what processes of this machine left when they were killed."""
    try:
        _scratch(root).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        raise UserError(
            f"Cannot write to {root} ({error.strerror}).\nGive another folder with `root`, or make this one writable."
        ) from error
    for staging in _scratch(root).iterdir():
        host, _, pid = staging.name.rpartition(".")[0].rpartition(".")
        if host == socket.gethostname() and pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """An empty folder of this process in the scratch, removed at the end. A disk that is full meanwhile is explained."""
    with _full_disk_explained(root):
        _scratch(root).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{socket.gethostname()}.{os.getpid()}.", dir=_scratch(root)))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def write_by_rename(path: Path, content: dict[str, Any], staging: Path) -> None:
    """Write JSON in the staging folder, flush it to the disk, and rename it into place."""
    with open(staging / path.name, "w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(staging / path.name, path)


def rename_unless_there(out: Path, folder: Path, files: dict[str, Any]) -> None:
    """Put a part into place. A worker killed before the record, or a rival about to write it, may have left its equal there."""
    if folder.exists() and not all_as_recorded(folder, files):
        shutil.rmtree(folder)
    try:
        os.rename(out, folder)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise


def check_written(path: Path) -> None:
    """Flush a file to the disk; a Parquet file must have its footer."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
    if path.suffix == ".parquet":
        pq.read_metadata(path)


def check_shared(root: Path, mark: str) -> None:
    """Raise NotShared where this process does not see the mark, the name of a folder in the scratch."""
    if not os.path.exists(_scratch(root) / mark):
        found = "another folder of that name" if os.path.exists(root) else "no such folder"
        raise NotShared(
            f"A worker on {socket.gethostname()} does not share the folder {root}: it finds {found}.\n"
            "Give `root` as the absolute path of a folder that this machine and all workers share, such as a network disk."
        )


def free_bytes(root: Path) -> int:
    """Space left on the disk that holds the root, which need not exist yet."""
    folder = root.absolute()
    while not os.path.exists(folder):
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _scratch(root: Path) -> Path:
    return root / ".scratch"


@contextmanager
def _full_disk_explained(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise UserError(
            f"Could not write on in {root}: {os.strerror(error.errno)}.\n"
            "Make room, then run the same command again; what was finished is kept."
        ) from error


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
