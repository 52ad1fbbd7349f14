"""Find and read sets of real images, whatever kind of files they lie in.

`find` reads every byte once, for the hash, but only the headers of the images; a worker opens the set again and decodes the rows
that it needs. What kinds of files a set may lie in is said by `KINDS`. A kind is a class of the shape of `Kind`: it says which
files are its own, and cuts them into pieces. To add one, write such a class in a file beside this one and list it in `KINDS`; the
contract test then covers it.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import Protocol

import numpy as np

from pipeline.errors import UserError
from pipeline.fingerprint import not_hashed
from pipeline.formats.hashes import changed
from pipeline.imagesets.encoded import Encoded

KINDS = {
    "folder": "pipeline.imagesets.folder:Folder",
    "parquet": "pipeline.imagesets.parquet:ParquetFiles",
}

_DIGITS = 16  # hexadecimal, that recognise an image


class Piece(Protocol):
    """Some images of a set that are read together."""

    def __len__(self) -> int:
        """The number of its images."""
        ...

    def read(self, rows: range) -> Iterator[Encoded]:
        """Read some of its images, which are numbered from 0. Raises UserError for what cannot be read."""
        ...


class Kind(Protocol):
    """A kind of files that images lie in. Nothing to inherit from: any frozen dataclass of this shape will do."""

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
        """Cut these files, which lie in `root` or below it, into pieces. Raises UserError for what cannot be read."""
        ...


@dataclass(frozen=True)
class ImageSet:
    """Images as they were found: what they are is hashed, where and in what they lie is not. `find` makes one."""

    sha256: str  # over the names and contents of the images, in their order
    n: int
    path: str = not_hashed()  # folder or file on this machine
    kind: Kind = not_hashed()
    digests: str = field(default="", repr=False, compare=False, metadata={"hashed": False})  # 16 digits an image
    names: tuple[str, ...] = field(default=(), repr=False, compare=False, metadata={"hashed": False})

    def open(self) -> "OpenSet":
        """List the images again, to read them. Raises UserError where they are not as many as were found."""
        _, pieces = _pieces(Path(self.path), list(dict.fromkeys([*kinds(), self.kind])))
        if (n := sum(len(piece) for piece in pieces)) != self.n:
            raise UserError(
                f"{self.path} held {self.n} images when it was first read and now {n}. Start the job again."
            )
        return OpenSet(self, pieces)


@dataclass(frozen=True)
class OpenSet:
    """The images of a set, listed; each is read when it is asked for."""

    images: ImageSet
    pieces: Sequence[Piece]

    def read(self, rows: range, height: int, width: int) -> tuple[list[str], np.ndarray]:
        """Return names, and images (B, height, width, 3) uint8 RGB: the middle of each, as large as it goes, resized.

        Raises UserError for an image that cannot be decoded, or has changed since the set was found.
        """
        encoded = list(self._encoded(rows))
        return [each.name for each in encoded], np.stack([each.fitted(height, width) for each in encoded])

    def _encoded(self, rows: range) -> Iterator[Encoded]:
        start = 0
        for piece in self.pieces:
            wanted = range(max(rows.start, start) - start, min(rows.stop, start + len(piece)) - start)
            if wanted:
                for i, each in zip(wanted, piece.read(wanted), strict=True):
                    self._check_unchanged(start + i, each)
                    yield each
            start += len(piece)

    def _check_unchanged(self, row: int, image: Encoded) -> None:
        if image.digest[:_DIGITS] != self.images.digests[row * _DIGITS : (row + 1) * _DIGITS]:
            raise changed(image.where)


def find(path: str | Path) -> ImageSet:
    """Find the images of a folder, or of a file that holds many, and read what identifies them.

    A folder is searched with all that is below it, but for hidden files; its files are in the order of their paths.
    Raises UserError for a path that is missing or holds no images, and for images that are none, damaged or tiny.
    """
    root = Path(path)
    kind, pieces = _pieces(root, kinds())
    images = (_checked(each) for piece in pieces for each in piece.read(range(len(piece))))
    found = [(each.name, each.digest) for each in images]
    digests = [digest for _, digest in found]
    if not digests:
        raise UserError(f"{root} holds {kind.what} without a row. Give the images that directions are to be found in.")
    return ImageSet(
        sha256=hashlib.sha256("".join(digests).encode()).hexdigest(),
        n=len(digests),
        path=str(root.absolute()),
        kind=kind,
        digests="".join(digest[:_DIGITS] for digest in digests),
        names=tuple(name for name, _ in found),
    )


def kinds() -> list[Kind]:
    """Return the kinds of files that are listed in `KINDS`, each imported when it is asked for."""
    return [resolve_name(path)() for path in KINDS.values()]


def _checked(encoded: Encoded) -> Encoded:
    encoded.check()
    return encoded


# Where images lie


def _pieces(root: Path, kinds: list[Kind]) -> tuple[Kind, Sequence[Piece]]:
    """The one kind of files that the images lie in, and the pieces that the set consists of, in order."""
    if not root.is_dir():
        return _of_file(root, kinds)
    files = _files_below(root)
    found = [(kind, own) for kind in kinds if (own := [path for path in files if _is(kind, path)])]
    if len(found) > 1:
        counts = " and ".join(f"{len(own)} {kind.what} files" for kind, own in found)
        raise UserError(
            f"{root} holds {counts}; expected one kind.\n"
            f"Name the folder or file that you mean, such as {found[-1][1][0]}."
        )
    if not found:
        raise UserError(
            f"{root} holds no images among its {len(files)} files; expected {_suffixes(kinds)}, in it or below it."
        )
    [(kind, own)] = found
    return kind, kind.pieces(own, root)


def _of_file(path: Path, kinds: list[Kind]) -> tuple[Kind, Sequence[Piece]]:
    alone = [kind for kind in kinds if kind.file_is_set]
    for kind in alone if path.is_file() else []:
        if _is(kind, path):
            return kind, kind.pieces([path], path.parent)
    found = "is a file" if path.exists() else "does not exist"
    others = ", ".join(suffix for kind in kinds if not kind.file_is_set for suffix in kind.suffixes)
    raise UserError(f"{path} {found}; expected a folder of images ({others}) or a {_suffixes(alone)} file.")


def _is(kind: Kind, path: Path) -> bool:
    return path.suffix.lower() in kind.suffixes


def _suffixes(kinds: list[Kind]) -> str:
    *first, last = [suffix for kind in kinds for suffix in kind.suffixes]
    return f"{', '.join(first)} or {last}" if first else last


def _files_below(root: Path) -> list[Path]:
    """The files that are not hidden, by their paths."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())
