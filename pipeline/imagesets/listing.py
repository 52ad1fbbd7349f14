"""What lies where in a set of images, listed once: a row a piece, streamed, with what was left out counted by kind.

A set is a folder with all below it, a file that holds many images, or the root of a store, of which the samples are meant. What a
listing says of each file, its name, size and time of change, is hashed: that recognises the set without a byte of it being read.
A file that may not be read is hashed as such, so that it is looked at anew once it may.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import UserError
from pipeline.imagesets.encoded import Encoded
from pipeline.imagesets.kinds import Kind, NoImages, Piece, kinds, rows_of
from pipeline.imagesets.storage import StorageFails, stop_if_passing
from pipeline.imagesets.tree import File, LeftOut, Tally, files_below, readable, suffix

_SAMPLES = ("sample", "invert", "sketched-sample")  # stages of a store whose parts hold a run's images


class Row(NamedTuple):
    """A piece of a set: an image file, or some images of a file that holds many."""

    file: str  # its path below the root, as `File` has it
    piece: int  # of that file
    images: int
    bytes: int  # of the file
    modified: int  # the same
    fault: str = ""  # why the file cannot be read: then it counts as one image


@dataclass
class Listing:
    """A set of images while it is listed, and what it was found to be once `rows` has ended."""

    path: Path
    among: list[Kind] = field(default_factory=kinds)  # kinds that its files may be of
    tally: Tally = field(default_factory=Tally)
    taken: dict[str, int] = field(default_factory=dict)  # files by suffix
    kind: Kind | None = None
    root: Path = Path()
    n: int = 0  # images
    bytes: int = 0
    fault: str = ""  # of the first file of many images that cannot be read
    slow: str = ""  # what costs time, of the first file that has it
    _sum: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def sha256(self) -> str:
        """What recognises the set: its kind, and the files by name, size and time of change."""
        return self._sum.hexdigest()

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What was left out, by kind."""
        return self.tally.left_out()

    @property
    def told(self) -> list[str]:
        """What was found, taken and left out, in sentences."""
        files = ", ".join(f"{n:,} {ending}" for ending, n in sorted(self.taken.items()))
        first = f"{readable(str(self.path))}: {self.n:,} images, {self.bytes / 1e9:.3g} GB ({files})."
        left_out = (f"Left out: {each.n:,} {each.what}, such as {each.example}." for each in self.left_out)
        return [first, *left_out, *filter(None, [self.slow])]

    def check_read(self, most: float) -> None:
        """Raise UserError where more than this share of the files' bytes is lost in files that hold many images each.

        A file that cannot be read as what it is counts with all its bytes, and a damaged tar with those after its last image
        that can be read. How many images that costs is known of neither, and what a file that was cut off has lost beyond its end
        is not counted.
        """
        lost = sum(self.tally.lost.values())
        if lost > most * self.bytes:
            told = "; ".join(f"{each.n:,} {each.what}" for each in self.left_out if each.what in self.tally.lost)
            raise UserError(
                f"{self.fault}\n{readable(str(self.path))} has {told}: {lost / self.bytes:.1%} of its bytes, and at most "
                f"{most:.3g} of them may be so (`fail_above`).\nCopy these files again, or raise that share: then their images "
                "are left out."
            )

    def rows(self) -> Iterator[Row]:
        """Yield the pieces in order. Raises UserError for a path that is missing or no set, and where there are no images."""
        self.root = self.path
        if self.path.is_dir():
            yield from self._below(samples_of(self.path))
        else:
            yield from self._alone()
        if not self.n:
            what = self.kind.what if self.kind else "files"
            raise UserError(f"{readable(str(self.path))} holds {what} without a row. Give images.")

    def _alone(self) -> Iterator[Row]:
        alone = [kind for kind in self.among if kind.file_is_set]
        for kind in alone if self.path.is_file() else []:
            if suffix(self.path.name) in kind.suffixes:
                self.root, found = self.path.parent, self.path.stat()
                yield from self._of(kind, File(self.path.name, found.st_size, found.st_mtime_ns))
                self._check_some([])
                return
        found_is = "is a file" if self.path.exists() else "does not exist"
        others = ", ".join(ending for kind in self.among if not kind.file_is_set for ending in kind.suffixes)
        raise UserError(
            f"{readable(str(self.path))} {found_is}; expected a folder of images ({others}) or a {_either(alone)} file."
        )

    def _below(self, root: Path) -> Iterator[Row]:
        self.root = root
        by_suffix = {ending: kind for kind in self.among for ending in kind.suffixes}
        counts: dict[str, int] = {}
        examples: dict[str, str] = {}
        empty: list[NoImages] = []
        recorded = parts_of(root)
        for file in files_below(str(root), set(by_suffix), self.tally):
            if recorded is not None and file.name.partition("/")[0] not in recorded:
                self.tally.add("files of parts that are not finished", file.name)
                continue
            kind = by_suffix[suffix(file.name)]
            try:
                for row in self._of(kind, file):
                    counts[kind.what] = counts.get(kind.what, 0) + 1
                    examples.setdefault(kind.what, file.name)
                    yield row
            except NoImages as error:
                empty.append(error)
                self.tally.add(f"{kind.what} files without images", file.name)
        if len(counts) > 1:
            raise UserError(_several(root, counts, examples))
        self._check_some(empty)

    def _check_some(self, empty: list[NoImages]) -> None:
        """Raise UserError unless some images were found."""
        if self.kind is None and empty:
            raise empty[0]
        if self.kind is None:
            left = "".join(f"\nLeft out: {each.n:,} {each.what}, such as {each.example}." for each in self.left_out)
            raise UserError(
                f"{readable(str(self.path))} holds no images; expected {_either(self.among)}, in it or below it.{left}"
            )

    def _of(self, kind: Kind, file: File) -> Iterator[Row]:
        """The rows of a file, counted and hashed."""
        for row in self._pieces(kind, file):
            self.kind = kind
            self.n += row.images
            self._sum.update("\0".join(map(str, (kind.what, *row))).encode(errors="surrogateescape") + b"\n")
            yield row
        self.bytes += file.bytes
        self.taken[suffix(file.name)] = self.taken.get(suffix(file.name), 0) + 1

    def _pieces(self, kind: Kind, file: File) -> list[Row]:
        of_file = (file.bytes, file.modified)
        if not kind.file_is_set:
            return [Row(file.name, 0, 1, *of_file, file.fault)]
        try:
            if file.fault:
                raise UserError(f"{readable(str(self.root / file.name))} cannot be read ({file.fault}).")
            pieces = _pieces(kind, self.root, file.name, *of_file)
        except (NoImages, StorageFails):
            raise
        except UserError as error:
            self._lose(f"{kind.what} files that cannot be read, with all their images", file, file.bytes, str(error))
            return [Row(file.name, 0, 1, *of_file, str(error))]
        for piece in pieces:
            self._count(kind, file, piece)
        return [Row(file.name, i, len(piece), *of_file) for i, piece in enumerate(pieces)]

    def _count(self, kind: Kind, file: File, piece: Piece) -> None:
        """Count what is in a piece and no image that can be read."""
        for what, n in getattr(piece, "left_out", {}).items():
            self.tally.add(f"members of {kind.what} files: {what}", file.name, n)
        if lost := getattr(piece, "lost", 0):
            why = f"{readable(str(self.root / file.name))} cannot be read to its end."
            self._lose(f"{kind.what} files that cannot be read to their end, with all images there", file, lost, why)

        self.slow = self.slow or getattr(piece, "slow", "")
        if getattr(piece, "cut", False):
            self.tally.lose(f"{kind.what} files without an end, as one that was cut between two members", file.name, 0)

    def _lose(self, what: str, file: File, size: int, why: str) -> None:
        self.tally.lose(what, file.name, size)
        self.fault = self.fault or why


@lru_cache(maxsize=8)
def _pieces(kind: Kind, root: Path, file: str, size: int, modified: int) -> tuple[Piece, ...]:
    """The pieces of a file of this size and time; kept, since several parts read one file after another."""
    return tuple(kind.pieces([root / file], root))


def read(kind: Kind, root: Path, row: Row, images: range) -> Iterator[Encoded]:
    """Read some images of a row, numbered from 0. What has changed or gone since it was listed is told as the images' fault."""
    where, name = readable(str(root / row.file)), readable(row.file)
    if fault := row.fault or _changed(root / row.file, row):
        kind_of = "unreadable" if row.fault else "changed"
        called = [name] if row.images == 1 else [f"{name}, piece {row.piece}:{i}" for i in images]
        yield from (Encoded(each, where, b"", (kind_of, fault)) for each in called)
    elif not kind.file_is_set:
        yield from rows_of(kind.pieces([root / row.file], root)[0], images)
    else:
        yield from rows_of(_pieces(kind, root, row.file, row.bytes, row.modified)[row.piece], images)


def names(kind: Kind, root: Path, row: Row) -> Sequence[str]:
    """Return the names of the images of a row, none of which is read. Raises UserError where the file is another by now."""
    if row.fault or not kind.file_is_set:
        return [readable(row.file)]
    if why := _changed(root / row.file, row):
        raise UserError(f"{readable(str(root / row.file))}: {why}.")
    return _pieces(kind, root, row.file, row.bytes, row.modified)[row.piece].names()


def _changed(path: Path, row: Row) -> str:
    try:
        found = path.stat()
    except OSError as error:
        stop_if_passing(error, readable(str(path)))
        return f"it is gone since the images were listed ({error.strerror})"
    same = (found.st_size, found.st_mtime_ns) == (row.bytes, row.modified)
    return "" if same else "it has changed since the images were listed; start the job again"


def samples_of(folder: Path) -> Path:
    """Return the folder of the samples where this one is the root of a store, and any other folder itself.

    Raises UserError for a store with samples of several runs.
    """
    found = sorted(each.parent for stage in _SAMPLES for each in folder.glob(f"{stage}-*/stage.json"))
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise UserError(f"{folder} has images of {len(found)} stages: {names}.\nName the folder of one, as {found[0]}.")
    return found[0] if found else folder


def parts_of(folder: Path) -> set[str] | None:
    """The folders of the finished parts, by their records, where this is the folder of a store's stage; None for any other."""
    if not (folder / "stage.json").is_file():
        return None
    records = (path for path in folder.glob("*.json") if path.name != "stage.json")
    return {_folder_of(path) for path in records}


def _folder_of(record: Path) -> str:
    """The folder that a part's record names; nothing where it is none."""
    try:
        return str(json.loads(record.read_bytes()).get("folder", record.stem))
    except (ValueError, AttributeError):
        return ""


def _several(root: Path, counts: dict[str, int], examples: dict[str, str]) -> str:
    said = " and ".join(f"{n:,} {what} files" for what, n in counts.items())
    return (
        f"{readable(str(root))} holds {said}; expected one kind.\n"
        f"Name the folder or file that you mean, such as {readable(str(root / [*examples.values()][-1]))}."
    )


def _either(among: list[Kind]) -> str:
    *first, last = [ending for kind in among for ending in kind.suffixes]
    return f"{', '.join(first)} or {last}" if first else last
