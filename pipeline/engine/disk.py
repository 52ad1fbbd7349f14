"""A root on a disk: a folder, local or of a network, where a part comes into its place by one rename."""

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.engine.filesystem import Entry, NotShared, explained
from pipeline.engine.records import all_as_recorded
from pipeline.engine.scratch import Scratch
from pipeline.errors import UserError
from pipeline.formats.reading import Readable, local_file

_THERE = (errno.EEXIST, errno.ENOTEMPTY)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)  # of disks without hard links


@dataclass(frozen=True)
class Disk:
    """A folder of a disk."""

    root: Path

    @property
    def address(self) -> str:
        return str(self.root)

    @cached_property
    def _scratch(self) -> Scratch:
        return Scratch(self.root / ".scratch")

    # Reading

    def folders(self) -> list[str]:
        with explained(self.address):
            try:
                found = list(os.scandir(self.root))
            except (FileNotFoundError, NotADirectoryError):
                return []
            return sorted(each.name for each in found if each.is_dir(follow_symlinks=False) and each.name[0] != ".")

    def listing(self, folder: str) -> dict[str, Entry]:
        with explained(self.address):
            try:
                return dict(_below(str(self.root / folder), ""))
            except (FileNotFoundError, NotADirectoryError):
                return {}

    def read(self, name: str) -> bytes:
        with explained(self.address):
            return (self.root / name).read_bytes()

    @contextmanager
    def open(self, name: str, size: int | None = None) -> Iterator[Readable]:
        with explained(self.address), local_file(self.root / name) as file:
            yield file

    def cached(self, sha256: str, read: Callable[[], bytes]) -> bytes:
        return read()

    # Writing

    def write(self, name: str, content: bytes, staging: Path) -> None:
        with explained(self.address):
            os.replace(_written(staging, content), self._placed(name))

    def write_new(self, name: str, content: bytes, staging: Path) -> bool:
        with explained(self.address):
            written, path = _written(staging, content), self._placed(name)
            try:
                os.link(written, path)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if path.exists():
                    return False
                os.rename(written, path)
            return True

    def publish(self, local: Path, folder: str, files: dict[str, Any]) -> None:
        """By one rename. What lies there already is left, where it is the same, or makes room."""
        with explained(self.address):
            path = self._placed(folder)
            if path.exists() and not all_as_recorded(path, files):
                os.rename(path, local.with_name(f"{local.name}.replaced"))
            try:
                os.rename(local, path)
            except OSError as error:
                if error.errno not in _THERE:
                    raise

    def remove(self, name: str) -> None:
        path = self.root / name
        with explained(self.address), suppress(FileNotFoundError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _placed(self, name: str) -> Path:
        """The path of a name, in a folder that is there."""
        path = self.root / name
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    # Housekeeping

    def prepare(self) -> None:
        try:
            self._scratch.home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise UserError(
                f"Cannot write to {self.root} ({error.strerror}).\n"
                "Give another folder with `root`, or make this one writable."
            ) from error
        self.clear_scratch()

    def clear_scratch(self) -> None:
        self._scratch.clear()

    @contextmanager
    def staging(self) -> Iterator[Path]:
        with ExitStack() as kept:
            with explained(self.address):
                folder = kept.enter_context(self._scratch.staging())
            yield folder

    @contextmanager
    def marked(self) -> Iterator[str]:
        with self.staging() as folder:
            yield folder.relative_to(self._scratch.home).as_posix()

    def at_work(self) -> str:
        self._scratch.clear()
        return f"{held} processes have parts in the making in its scratch" if (held := self._scratch.held()) else ""

    def check_shared(self, mark: str) -> None:
        if not os.path.exists(self._scratch.home / mark):
            found = "another folder of that name" if os.path.exists(self.root) else "no such folder"
            raise NotShared(
                f"A worker on {socket.gethostname()} does not share the folder {self.root}: it finds {found}.\n"
                "Give `root` as the absolute path of a folder that this machine and all workers share, such as a network disk, "
                "or as a bucket: s3://BUCKET/FOLDER."
            )

    def free_bytes(self) -> int | None:
        folder = self.root.absolute()
        while not os.path.exists(folder):
            folder = folder.parent
        return shutil.disk_usage(folder).free


def _below(folder: str, within: str) -> Iterator[tuple[str, Entry]]:
    """The files below a folder, by their names within it. What vanishes meanwhile is passed over."""
    with os.scandir(folder) as found:
        for each in found:
            if each.is_dir(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    yield from _below(each.path, f"{within}{each.name}/")
            else:
                with suppress(FileNotFoundError):
                    seen = each.stat()
                    yield f"{within}{each.name}", Entry(seen.st_size, f"{seen.st_mtime_ns}-{seen.st_ino}")


def _written(staging: Path, content: bytes) -> Path:
    """A file of this process with some content."""
    path = staging / "written"
    path.unlink(missing_ok=True)  # where it was linked to, the other name stays
    path.write_bytes(content)
    return path
