"""The kinds of files that images may lie in, each found by how its files are called.

A kind is a class of the shape of `Kind`: it says which files are its own, and cuts them into pieces. To add one, write such a class
in a file beside this one and list it in `KINDS`; the contract test then covers it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from pkgutil import resolve_name
from typing import Protocol

from pipeline.errors import UserError
from pipeline.imagesets.encoded import Encoded
from pipeline.imagesets.storage import StorageFails
from pipeline.imagesets.tree import readable

KINDS = {
    "folder": "pipeline.imagesets.folder:Folder",
    "parquet": "pipeline.imagesets.parquet:ParquetFiles",
    "tars": "pipeline.imagesets.tars:TarFiles",
}


class NoImages(UserError):
    """A file of a kind that may hold images, and has none."""


class Piece(Protocol):
    """Some images of a set that are read together.

    What is in it and left out, it may count by kind, as `left_out`; of how many bytes at its end nothing can be read, as `lost`.
    """

    @property
    def name(self) -> str:
        """What it is called within its set."""
        ...

    def __len__(self) -> int:
        """The number of its images."""
        ...

    def names(self) -> Sequence[str]:
        """Return the names of its images, as `read` has them; the images themselves are not read for it."""
        ...

    def read(self, rows: range) -> Iterator[Encoded]:
        """Read some of its images, which are numbered from 0. Raises UserError for what cannot be read."""
        ...


class Kind(Protocol):
    """A kind of files that images lie in. Nothing to inherit from: any frozen dataclass of this shape will do."""

    def __hash__(self) -> int: ...

    @property
    def what(self) -> str:
        """What its files are, for people: `image` files, `Parquet` files."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How the names of its files end, in lower case."""
        ...

    @property
    def file_is_set(self) -> bool:
        """Whether one such file holds many images, and may be given without a folder around it."""
        ...

    def pieces(self, files: list[Path], root: Path) -> Sequence[Piece]:
        """Return the pieces of these files, which lie below a root. Raises UserError for files that cannot be read."""
        ...


def kinds() -> list[Kind]:
    """Return the kinds of files that are listed in `KINDS`, each imported when it is asked for."""
    return [resolve_name(path)() for path in KINDS.values()]


def rows_of(piece: Piece, rows: range) -> Iterator[Encoded]:
    """Read some images of a piece; those that a damaged file keeps from being read come with that as their fault.

    Raises StorageFails where it is not the file's fault.
    """
    done = rows.start
    try:
        for each in piece.read(rows):
            yield each
            done += 1
        why = f"{piece.name} ends too early"
    except StorageFails:
        raise
    except UserError as error:
        why = str(error)
    for row in range(done, rows.stop):
        where = f"{readable(str(getattr(piece, 'path', piece.name)))} (image {row})"
        yield Encoded(f"{piece.name}:{row}", where, b"", ("damaged", why))
