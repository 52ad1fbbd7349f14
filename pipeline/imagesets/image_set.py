"""Find and read sets of real images for work in which every image counts, whatever kind of files they lie in.

`find` reads and decodes every image once: what cannot be read is left out, with its reason, and the others are recognised by their
names and contents. A worker lists the set again and decodes the rows that it needs. For numbers of images that are listed and read
only once, see listing.py. What kinds of files a set may lie in is said by kinds.py.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from pipeline.errors import UserError
from pipeline.fingerprint import not_hashed
from pipeline.formats.hashes import changed
from pipeline.imagesets.broken import Broken, by_kind, check_share
from pipeline.imagesets.encoded import Encoded
from pipeline.imagesets.kinds import KINDS, Kind, kinds
from pipeline.imagesets.listing import Listing, Row, read
from pipeline.imagesets.tree import readable

__all__ = ["KINDS", "ImageSet", "OpenSet", "find"]

FAIL_ABOVE = 0.05  # of the images: where more of them are broken, they are no set
_DIGITS = 16  # hexadecimal, that recognise an image
_THREADS, _TOGETHER = 2, 64  # that decode; images that are in memory meanwhile

_FOUND_LAST: dict[tuple[Path, str, float], "ImageSet"] = {}

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class ImageSet:
    """Images as they were found: what they are is hashed, where and in what they lie is not. `find` makes one."""

    sha256: str  # over the names and contents of the images, in their order
    n: int  # that can be read; they are numbered from 0
    path: str = not_hashed()  # folder or file on this machine
    kind: Kind = not_hashed()
    digests: str = field(default="", repr=False, compare=False, metadata={"hashed": False})  # 16 digits an image
    names: tuple[str, ...] = field(default=(), repr=False, compare=False, metadata={"hashed": False})
    broken: tuple[Broken, ...] = not_hashed(())  # images that are left out
    gaps: tuple[int, ...] = not_hashed(())  # which those are among all that are listed, in order
    told: tuple[str, ...] = not_hashed(())  # what was found, taken and left out, in sentences

    def open(self) -> "OpenSet":
        """List the images again, to read them. Raises UserError where they are not as many as were found."""
        listing = Listing(Path(self.path), list(dict.fromkeys([*kinds(), self.kind])))
        rows = list(listing.rows())
        if listing.n != (before := self.n + len(self.gaps)):
            raise UserError(
                f"{readable(self.path)} held {before} images when it was first read and now {listing.n}. Start the job again."
            )
        return OpenSet(self, rows, listing.root)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of a set with images that cannot be read."""
        if not self.broken:
            return ()
        shown = "; ".join(f"{each.name}: {each.reason}" for each in self.broken[:3])
        return (
            f"{len(self.broken):,} of {self.n + len(self.broken):,} images cannot be read and are left out "
            f"({by_kind(each.kind for each in self.broken)}): {shown}{' ...' if len(self.broken) > 3 else ''}",
        )


@dataclass(frozen=True)
class OpenSet:
    """The images of a set, listed; each is read when it is asked for."""

    images: ImageSet
    rows: Sequence[Row]
    root: Path

    def read(self, wanted: Sequence[int], height: int, width: int) -> tuple[list[str], np.ndarray]:
        """Return names, and images (B, height, width, 3) uint8 RGB: the middle of each, as large as it goes, resized.

        Images that lie together are read together. Raises UserError for an image that cannot be decoded, or has changed since the
        set was found.
        """
        places = self._places[np.array(wanted)]
        found = {start + i: each for start, row, own in self._rows(places) for i, each in self._some(row, own)}
        encoded = [found[place] for place in places.tolist()]
        for i, each in zip(wanted, encoded, strict=True):
            self._check_unchanged(i, each)
        return [each.name for each in encoded], np.stack([each.fitted(height, width) for each in encoded])

    @cached_property
    def _places(self) -> np.ndarray:
        """Which of all images that are listed the ones are that can be read, in order."""
        there = np.ones(self.images.n + len(self.images.gaps), bool)
        there[list(self.images.gaps)] = False
        return np.flatnonzero(there)

    @cached_property
    def _starts(self) -> np.ndarray:
        """The place of each row's first image."""
        return np.cumsum([0, *(row.images for row in self.rows[:-1])])

    def _rows(self, places: np.ndarray) -> Iterator[tuple[int, Row, np.ndarray]]:
        """The rows that hold some images: each one's start, the row, and which of its own are meant, in order."""
        places = np.unique(places)
        rows = self._starts.searchsorted(places, "right") - 1
        which, firsts = np.unique(rows, return_index=True)
        for row, own in zip(which.tolist(), np.split(places, firsts[1:]), strict=True):
            start = int(self._starts[row])
            yield start, self.rows[row], own - start

    def _some(self, row: Row, own: np.ndarray) -> Iterator[tuple[int, Encoded]]:
        """Read some images of a row, from the first to the last of them, and keep those that are meant."""
        several, meant = range(own[0], own[-1] + 1), set(own.tolist())
        for i, each in zip(several, read(self.images.kind, self.root, row, several), strict=True):
            if i in meant:
                yield i, each

    def _check_unchanged(self, i: int, image: Encoded) -> None:
        if image.digest[:_DIGITS] != self.images.digests[i * _DIGITS : (i + 1) * _DIGITS]:
            raise changed(image.where)


def find(path: str | Path, fail_above: float = FAIL_ABOVE) -> ImageSet:
    """Find the images of a folder, of a file that holds many, or of a store's samples, and read what identifies them.

    A folder is searched with all that is below it; its files are in the order of their paths. Images that cannot be read are left
    out. Raises UserError for a path that is missing or holds no images, and where more than this share of them cannot be read,
    or of the bytes of files that hold many each.

    The set that was found last is not read again while no file of it has another size or time.
    """
    listing = Listing(Path(path).absolute())
    rows = list(listing.rows())
    listing.check_read(fail_above)
    key = (listing.path, listing.sha256, fail_above)
    if key not in _FOUND_LAST:
        found = _found(listing, rows, fail_above)
        _FOUND_LAST.clear()
        _FOUND_LAST[key] = found
    return _FOUND_LAST[key]


def _found(listing: Listing, rows: Sequence[Row], fail_above: float) -> ImageSet:
    digests: list[str] = []
    names: list[str] = []
    broken: dict[int, Broken] = {}
    first = ""
    encoded = (each for row in rows for each in read(_kind(listing), listing.root, row, range(row.images)))
    for i, (fault, name, digest) in enumerate(in_threads(_looked_at, encoded)):
        if fault:
            broken[i] = fault[0]
            first = first or fault[1]
        else:
            names.append(name)
            digests.append(digest)
    if broken:
        check_share([each.kind for each in broken.values()], listing.n, fail_above, first)
    return ImageSet(
        sha256=hashlib.sha256("".join(digests).encode()).hexdigest(),
        n=len(digests),
        path=str(listing.path),
        kind=_kind(listing),
        digests="".join(digest[:_DIGITS] for digest in digests),
        names=tuple(names),
        broken=tuple(broken.values()),
        gaps=tuple(broken),
        told=tuple(listing.told),
    )


def _kind(listing: Listing) -> Kind:
    assert listing.kind, "a row has been listed"
    return listing.kind


def _looked_at(image: Encoded) -> tuple[tuple[Broken, str] | None, str, str]:
    """Why an image cannot be read, in a record and in a sentence, or None; its name and its digest."""
    fault = image.broken()
    told = fault and (fault, f"{image.where} cannot be read as an image ({fault.kind}: {fault.reason}).")
    return told, image.name, image.digest


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Map a function that lets other threads work, as decoders do, over many things, of which few are in memory at once."""
    many = iter(items)
    with ThreadPoolExecutor(_THREADS) as pool:
        while some := list(islice(many, _TOGETHER)):
            yield from pool.map(function, some)
