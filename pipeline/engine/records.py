"""What a commit record says of a part: the size and SHA-256 of each file, and its own seal; and whether files still are so.

Of activations the SHA-256 is that of the footer, which has the checksums of all their pages.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.formats.hashes import sha256
from pipeline.formats.pages import footer_of, is_paged, verify_pages

_FOOTER = "footer"  # what the SHA-256 of activations is of
_SEAL = "sha256_of_this"


class Damaged(Exception):
    """A record cannot be believed; the message says why."""


class Unsealed(Damaged):
    """A record has no SHA-256 of its own."""


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """A record with its own SHA-256."""
    return {**record, _SEAL: _sha256_of(record)}


def read_sealed(path: Path) -> dict[str, Any]:
    """The record that was sealed and written. Raises Damaged where it is none, or not as it was."""
    try:
        record = json.loads(path.read_bytes())
        seal = record.pop(_SEAL, None)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error
    if seal is None:
        raise Unsealed("it has no SHA-256 of its own")
    if seal != _sha256_of(record):
        raise Damaged("it does not have the SHA-256 that it was written with")
    return record


def _sha256_of(record: dict[str, Any]) -> str:
    """Return the SHA-256 of what a record says, whatever the layout of its JSON."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def files_of(folder: Path) -> dict[str, Path]:
    """The files below a folder, by their paths within it."""
    return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}


def sums(folder: Path) -> dict[str, Any]:
    """What a record says of every file of a part."""
    return {name: _sum(path) for name, path in files_of(folder).items()}


def _sum(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    if path.suffix == ".parquet" and is_paged(path):
        return {"bytes": size, "sha256": hashlib.sha256(footer_of(path)).hexdigest(), "of": _FOOTER}
    return {"bytes": size, "sha256": sha256(path)}


def all_as_recorded(folder: Path, files: dict[str, Any]) -> bool:
    """Whether a folder holds these files and no others, as they were."""
    found = files_of(folder)
    return found.keys() == files.keys() and all(as_recorded(path, files[name]) for name, path in found.items())


def as_recorded(path: Path, expected: dict[str, Any]) -> bool:
    """Whether a file is as it was when its part was committed."""
    if path.stat().st_size != expected["bytes"]:
        return False
    if expected.get("of") != _FOOTER:
        return sha256(path) == expected["sha256"]
    try:
        verify_pages(path, expected["sha256"])
    except (OSError, ValueError, pa.ArrowException):
        return False
    return True


def content_as_recorded(path: Path, content: bytes, expected: dict[str, Any]) -> bool:
    """`as_recorded` of a file whose content has been read: it is not read again."""
    if expected.get("of") == _FOOTER:
        return as_recorded(path, expected)
    return hashlib.sha256(content).hexdigest() == expected["sha256"]
