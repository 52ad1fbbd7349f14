"""WebDataset tars: shards whose members belong together by their key, the path up to the first dot of the file's name.

An image is a member whose extension, all after that dot, is that of an image: `0001.jpg`, and not `0001.mask.png`. The `webdataset`
library reads shards as streams, from their beginning; a part of a large set starts anywhere, so here members are found once by the
headers of a tar, as Python's tarfile reads them, and then read where they lie. Shards that are compressed cannot be read so.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from pipeline.errors import UserError
from pipeline.imagesets.encoded import Encoded
from pipeline.imagesets.folder import Folder
from pipeline.imagesets.kinds import NoImages
from pipeline.imagesets.storage import stop_if_passing
from pipeline.imagesets.tree import ending_kind, readable


@dataclass(frozen=True)
class TarFiles:
    """Tars of images and what belongs to them, in the order of their paths; images are in the order of the tar."""

    what: ClassVar[str] = "tar"
    suffixes: ClassVar[tuple[str, ...]] = (".tar",)
    file_is_set: ClassVar[bool] = True

    def pieces(self, files: list[Path], root: Path) -> list["Shard"]:
        """Return a piece a tar with images. Raises NoImages where none has any."""
        shards = [Shard(path, readable(path.relative_to(root).as_posix())) for path in files]
        if not any(len(each) or each.members.fault for each in shards):
            found = ", ".join(f"{n} {what}" for what, n in shards[0].left_out.items()) or "no members"
            raise NoImages(
                f"{readable(str(files[0]))} has no images among its members: {found}.\nExpected names such as 0001.jpg."
            )
        return [each for each in shards if len(each) or each.members.fault]


class Members(NamedTuple):
    """Where the images of a tar lie in it."""

    names: list[str]
    starts: np.ndarray  # int64, bytes from the beginning
    sizes: np.ndarray
    left_out: dict[str, int]
    fault: str  # why it could not be read to its end; ""
    ends: bool = True  # with blocks of zeros, as a tar that was written to its end


@dataclass(frozen=True)
class Shard:
    """The images of one tar."""

    path: Path
    name: str

    @property
    def members(self) -> Members:
        found = self.path.stat()
        return _members(self.path, found.st_size, found.st_mtime_ns)

    @property
    def left_out(self) -> dict[str, int]:
        """Members that are no images, by kind."""
        return self.members.left_out

    @property
    def cut(self) -> bool:
        """Whether it ends after some member, without the end that a tar has: how much came after cannot be told."""
        return not self.members.fault and not self.members.ends

    @property
    def lost(self) -> int:
        """Bytes of a damaged tar after the last image that can be read."""
        members = self.members
        end = int((members.starts + members.sizes).max(initial=0))
        return self.path.stat().st_size - end if members.fault else 0

    def __len__(self) -> int:
        """Its images; what cannot be read of a damaged tar counts as one."""
        return len(self.members.names) + bool(self.members.fault)

    def names(self) -> list[str]:
        members = self.members
        rest = [f"{self.name}:{len(members.names)}"] if members.fault else []
        return [*(f"{self.name}/{name}" for name in members.names), *rest]

    def read(self, rows: range) -> Iterator[Encoded]:
        try:
            members = self.members
            with open(self.path, "rb") as file:
                for row in rows:
                    if row == len(members.names):
                        raise UserError(members.fault)
                    file.seek(members.starts[row])
                    name = members.names[row]
                    yield Encoded(
                        f"{self.name}/{name}", f"{readable(str(self.path))} ({name})", file.read(members.sizes[row])
                    )
        except OSError as error:
            stop_if_passing(error, readable(str(self.path)))
            raise UserError(f"{readable(str(self.path))} cannot be read as a tar ({error}).") from error


@lru_cache(maxsize=4)
def _members(path: Path, size: int, modified: int) -> Members:
    """The images among a tar's members, each name once: of two with one name the later, as tar itself has it."""
    found: dict[str, tuple[int, int]] = {}
    left_out: dict[str, int] = {}
    fault, ends = "", False
    try:
        with tarfile.open(path, "r:") as tar:
            for member in _each(tar):
                what = _other(member, size)
                name = readable(member.name.removeprefix("./"))
                if what is None and name in found:
                    what = "images that a later one of their name replaces"
                if what:
                    left_out[what] = left_out.get(what, 0) + 1
                if what is None or name in found:
                    found[name] = (member.offset_data, member.size)
            ends = _ends(tar)
    except (OSError, tarfile.TarError, ValueError) as error:
        stop_if_passing(error, readable(str(path)))
        fault = f"{readable(str(path))} cannot be read on as a tar after {len(found)} images ({error}). Copy it again."
    places = np.array(list(found.values()), np.int64).reshape(-1, 2)
    return Members(list(found), places[:, 0], places[:, 1], left_out, fault, ends)


def _each(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members of a tar, none of which is kept."""
    while member := tar.next():
        tar.members = []  # type: ignore[attr-defined]
        yield member


def _ends(tar: tarfile.TarFile) -> bool:
    """Whether a block of zeros is where the members end. Raises ReadError for anything else there, which tarfile passes over."""
    assert tar.fileobj, "it is open"
    tar.fileobj.seek(tar.offset)
    block = tar.fileobj.read(tarfile.BLOCKSIZE)
    if block.strip(b"\0"):
        raise tarfile.ReadError(f"no header at byte {tar.offset:,}")
    return bool(block)


def _other(member: tarfile.TarInfo, size: int) -> str | None:
    """What a member is that is no image; None for one that is."""
    if member.isdir():
        return "folders"
    if not member.isfile() or member.sparse:
        return "links and other special members"
    *_, own = member.name.split("/")
    key, _, extension = own.partition(".")
    if not key:
        return "hidden files"
    if f".{extension.lower()}" not in Folder.suffixes:
        return ending_kind(f".{extension.lower()}" if extension else "")
    if member.offset_data + member.size > size:
        raise tarfile.ReadError(f"it ends within {member.name}")
    return None
