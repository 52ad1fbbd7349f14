"""The files of a catalog, each checked against SHA256SUMS as it is read, which is read first."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.catalog.place import CatalogPlace, is_inside
from pipeline.errors import UserError
from pipeline.formats.hashes import sha256

SUMS = "SHA256SUMS"
MOST_OF_SUMS = 2**20  # bytes: a few thousand files
MOST_AT_ONCE = 2**31  # bytes of a file that is read into memory

_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>.+)")


@dataclass(frozen=True)
class VerifiedFiles:
    """A catalog's files by their names."""

    place: CatalogPlace
    sums: bytes  # what SHA256SUMS holds
    expected: Mapping[str, str]  # the SHA-256 of each file

    @classmethod
    def of(cls, place: CatalogPlace) -> "VerifiedFiles":
        """Read SHA256SUMS. Raises UserError where there is none, or none that can be read, or it names files elsewhere."""
        try:
            sums = place.path(SUMS, MOST_OF_SUMS).read_bytes()
            expected = dict(_parsed(line) for line in sums.decode().splitlines())
        except (OSError, ValueError) as error:
            raise UserError(
                f"{place.address} is no catalog: it has no {SUMS} that can be read ({error}).\n"
                "Give the folder that holds catalog.json, as a job prints it."
            ) from error
        return cls(place, sums, expected)

    def read(self, name: str) -> bytes:
        """Return what a file holds. Raises UserError where it is missing or has changed."""
        if name == SUMS:
            return self.sums
        path = self._found(name, MOST_AT_ONCE)
        content = path.read_bytes()
        self._check(name, hashlib.sha256(content).hexdigest())
        return content

    def path(self, name: str) -> Path:
        """Return where a file lies on this machine, after it has been checked whole. Raises UserError as `read` does."""
        path = self._found(name)
        self._check(name, sha256(path))
        return path

    def _found(self, name: str, most: int | None = None) -> Path:
        if name not in self.expected and not is_inside(name):
            raise UserError(f"{name!r} is no name of a file in a catalog: it lies elsewhere.")
        try:
            return self.place.path(name, most)
        except OSError as error:
            raise UserError(
                f"{self.place.address}/{name} cannot be read ({error.strerror}). Copy the catalog again."
            ) from error

    def _check(self, name: str, digest: str) -> None:
        if digest != self.expected.get(name):
            raise UserError(f"{self.place.address}/{name} has changed since it was published. Copy the catalog again.")


def _parsed(line: str) -> tuple[str, str]:
    """The name of a file and its SHA-256. Raises ValueError for a line that has none, and for a file that lies elsewhere."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"{line[:80]!r} is no sum of a file")
    if not is_inside(match["name"]):
        raise ValueError(f"it lists {match['name']!r}, which lies elsewhere")
    return match["name"], match["digest"]
