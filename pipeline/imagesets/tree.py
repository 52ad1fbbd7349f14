"""A folder with all below it, streamed: its files in the order of their paths, and what is left out, counted by kind.

Hidden files and folders are left out, those that systems keep beside photographs, and folders that are links. Names and sizes are
looked up; nothing is opened.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.imagesets.storage import stop_if_passing

# Folders of thumbnails, recycle bins and the like, which hold images that nobody means.
BESIDE = ("__MACOSX", "@eaDir", "@Recycle", "#recycle", "$RECYCLE.BIN", "#snapshot", "lost+found")
# Suffixes of images that are not read here; they are counted by the names of their formats.
NOT_READ = {
    ".heic": "HEIC", ".heif": "HEIC", ".jxl": "JPEG XL", ".svg": "SVG", ".psd": "PSD", ".raw": "raw", ".dng": "raw", ".cr2": "raw",
    ".cr3": "raw", ".nef": "raw", ".arw": "raw", ".orf": "raw", ".rw2": "raw", ".raf": "raw",
}  # fmt: skip
SHOWN = 20  # kinds of what is left out that are told one by one
_SUFFIX = re.compile(r"(\.[a-z][a-z0-9]{0,7}){1,3}")  # one that says of which kind a file is, and not its number


class File(NamedTuple):
    """A file as it was listed."""

    name: str  # its path below the folder; bytes that are no UTF-8 are surrogates
    bytes: int
    modified: int  # nanoseconds since 1970
    fault: str = ""  # why it cannot be read, as is seen without opening it


class LeftOut(NamedTuple):
    """What is left out of one kind."""

    what: str  # for people, in the plural
    n: int
    example: str


@dataclass
class Tally:
    """What was left out so far, by kind, and what is lost of files that hold many images."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)  # bytes that cannot be read, by kind

    def add(self, what: str, example: str, n: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + n
        self.examples.setdefault(what, readable(example))

    def lose(self, what: str, example: str, size: int) -> None:
        """Count a file of which that many bytes cannot be read, with the images in them."""
        self.add(what, example)
        self.lost[what] = self.lost.get(what, 0) + size

    def left_out(self) -> tuple[LeftOut, ...]:
        """What is lost, and the most frequent of the other kinds, in the order of the alphabet; then the rest as one."""
        by_count = sorted(self.counts.keys() - self.lost.keys(), key=lambda what: (-self.counts[what], what))
        told, rest = sorted([*self.lost, *by_count[:SHOWN]]), by_count[SHOWN:]
        found = [LeftOut(what, self.counts[what], self.examples[what]) for what in told]
        if rest:
            n = sum(self.counts[what] for what in rest)
            found.append(LeftOut(f"files or folders of {len(rest):,} more kinds", n, self.examples[rest[0]]))
        return tuple(found)


def readable(name: str) -> str:
    r"""Return a file's name as text that any file can hold: bytes that are no UTF-8 are written out, as \xe9."""
    return os.fsencode(name).decode(errors="backslashreplace")


def suffix(name: str) -> str:
    """How a file's name ends, in lower case."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > name.rfind("/") + 1 else ""


def files_below(root: str, suffixes: set[str], tally: Tally) -> Iterator[File]:
    """Yield the files with these suffixes, in the order of their paths. No more names are held than the largest folder has."""
    open_folders = [iter(_names(root, "", tally))]
    while open_folders:
        name = next(open_folders[-1], None)
        if name is None:
            open_folders.pop()
        elif name.endswith("/"):
            if not _passed_over(name, tally):
                open_folders.append(iter(_names(root, name, tally)))
        elif isinstance(found := _file(root, name, suffixes), File):
            yield found
        else:
            tally.add(found, name)


def _names(root: str, folder: str, tally: Tally) -> list[str]:
    """What a folder holds, as paths below the root, in order; those of folders end with a slash, as they do within longer paths."""
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            found = [folder + entry.name + ("/" if entry.is_dir(follow_symlinks=False) else "") for entry in entries]
    except OSError as error:
        stop_if_passing(error, readable(os.path.join(root, folder)))
        tally.add(f"folders that cannot be read ({error.strerror})", folder or root)
        return []
    found.sort()
    return found


def _passed_over(folder: str, tally: Tally) -> bool:
    own = folder[:-1].rpartition("/")[2]
    if own in BESIDE:
        tally.add(f"folders {own}", folder)
    elif own.startswith("."):
        tally.add("hidden folders", folder)
    else:
        return False
    return True


def _file(root: str, name: str, suffixes: set[str]) -> File | str:
    """A file with a suffix that is wanted; of any other, what it is."""
    if name.rpartition("/")[2].startswith("."):
        return "hidden files"
    path = os.path.join(root, name)
    try:
        found = os.stat(path)
    except OSError as error:
        stop_if_passing(error, readable(path))
        gone = isinstance(error, FileNotFoundError)
        fault = "a link to a file that is not there" if gone else error.strerror or str(error)
        return File(name, 0, 0, fault) if suffix(name) in suffixes else "links to nothing"
    if stat.S_ISDIR(found.st_mode):
        return "linked folders"
    if not stat.S_ISREG(found.st_mode):
        return "pipes, sockets and devices"
    if suffix(name) not in suffixes:
        return ending_kind(suffix(name))
    fault = "" if os.access(path, os.R_OK) else os.strerror(errno.EACCES)
    return File(name, found.st_size, found.st_mtime_ns, fault)


def ending_kind(ending: str) -> str:
    """What files with a suffix are, for people, where it is none of an image that is read."""
    if ending in NOT_READ:
        return f"{NOT_READ[ending]} images, which are not read here"
    if not ending:
        return "files without a suffix"
    return f"{ending} files" if _SUFFIX.fullmatch(ending) else "files of other kinds"
