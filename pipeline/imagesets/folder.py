"""A folder of image files: each file is one image, and its path below the folder its name."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipeline.formats.images import SUFFIXES
from pipeline.imagesets.encoded import Encoded
from pipeline.imagesets.storage import stop_if_passing
from pipeline.imagesets.tree import readable


@dataclass(frozen=True)
class Folder:
    """A folder of image files, in the order of their paths."""

    what: ClassVar[str] = "image"
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    file_is_set: ClassVar[bool] = False

    def pieces(self, files: list[Path], root: Path) -> list["ImageFile"]:
        """Return a piece a file."""
        return [ImageFile(path, readable(path.relative_to(root).as_posix())) for path in files]


@dataclass(frozen=True)
class ImageFile:
    """A file that holds one image."""

    path: Path
    name: str

    def __len__(self) -> int:
        return 1

    def names(self) -> list[str]:
        return [self.name]

    def read(self, rows: range) -> Iterator[Encoded]:
        where = readable(str(self.path))
        try:
            yield Encoded(self.name, where, contents(self.path))
        except OSError as error:
            stop_if_passing(error, where)
            yield Encoded(self.name, where, b"", ("unreadable", error.strerror or str(error)))


def contents(path: Path) -> bytes:
    """Return what a plain file holds. Raises OSError for what is none: a pipe could be waited for in vain."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("no plain file")
        return file.read()
