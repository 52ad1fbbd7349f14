"""What a commit record says of a part: the size and SHA-256 of each file, and its own seal; and whether files still are so.

Of activations the SHA-256 is that of the footer, which has the checksums of all their pages.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.errors import UserError
from pipeline.formats.pages import Footer, footer_of, is_paged, verify_pages
from pipeline.formats.reading import Readable, hash_of, local_file

DESCRIPTION = "stage.json"  # what a stage is, beside the records of its parts
FOOTER = "footer"  # what the SHA-256 of activations is of
_SEAL = "sha256_of_this"
_LARGEST = 64 * 2**20  # bytes that a record may have
_SHA256 = re.compile("[0-9a-f]{64}")

Files = dict[str, Any]  # by the name of a file: its bytes and SHA-256


class Damaged(Exception):
    """A record cannot be believed; the message says why."""


class Unsealed(Damaged):
    """A record has no SHA-256 of its own."""


def sealed(record: dict[str, Any]) -> bytes:
    """A record with its own SHA-256, as JSON, of which every field has a line."""
    lines = (
        f"  {json.dumps(name)}: {json.dumps(said)}" for name, said in {**record, _SEAL: _sha256_of(record)}.items()
    )
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def unsealed(content: bytes) -> dict[str, Any]:
    """The record that was sealed. Raises Damaged where it is none, or not as it was."""
    try:
        if len(content) > _LARGEST:
            raise ValueError(f"{len(content)} bytes")
        record = json.loads(content)
        seal = record.pop(_SEAL, None)
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise Damaged(f"{type(error).__name__}: {error}" if content else "it is empty") from error
    if seal is None:
        raise Unsealed("it has no SHA-256 of its own")
    if seal != _sha256_of(record):
        raise Damaged("it does not have the SHA-256 that it was written with")
    return record


def own(content: bytes, stage: str, name: str) -> dict[str, Any]:
    """The record of a part, by its name and its stage's folder. Raises Damaged where it is none, or another part's."""
    record = unsealed(content)
    if (f"{record.get('stage')}-{record.get('fingerprint')}", record.get("name")) != (stage, name):
        raise Damaged("it is the record of another part")
    folder, files = record.setdefault("folder", name), record.get("files")
    if not (isinstance(folder, str) and folder.startswith(name) and isinstance(files, dict)):
        raise Damaged("it names no files")
    if any(".." in each.split("/") or each.startswith("/") or "\0" in each for each in (folder, *files)):
        raise Damaged("it names files of other folders")
    if not (all(map(_is_sum, files.values())) and isinstance(record.setdefault("made", {}), dict)):
        raise Damaged("it does not say what its files are")
    return record


def _is_sum(said: Any) -> bool:
    """Whether this is what a record says of a file."""
    if not isinstance(said, dict) or not isinstance(size := said.get("bytes"), int):
        return False
    return size >= 0 and _SHA256.fullmatch(str(said.get("sha256"))) is not None and said.get("of", FOOTER) == FOOTER


def is_record(name: str) -> bool:
    """Whether a file of a stage's folder is the record of a part, by its name."""
    return name.endswith(".json") and "/" not in name and name != DESCRIPTION


def _sha256_of(record: dict[str, Any]) -> str:
    """Return the SHA-256 of what a record says, whatever the layout of its JSON."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def content_name(files: Files) -> str:
    """A short name of what a part holds: parts of other bytes have others."""
    said = sorted((name, each["bytes"], each["sha256"]) for name, each in files.items())
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]


def files_of(folder: Path) -> dict[str, Path]:
    """The files below a folder, by their paths within it."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def written(folder: Path) -> Files:
    """Flush every file of a part to the disk, and return what its record says of them. A Parquet file must have its footer."""
    return {name: _written(path) for name, path in files_of(folder).items()}


def _written(path: Path) -> dict[str, Any]:
    paged = False
    if path.suffix == ".parquet":
        paged = is_paged(path)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    with local_file(path) as file:
        if paged:
            return {"bytes": file.size, "sha256": hashlib.sha256(footer_of(file)).hexdigest(), "of": FOOTER}
        return {"bytes": file.size, "sha256": hash_of(file)}


def all_as_recorded(folder: Path, files: Files) -> bool:
    """Whether a local folder holds these files and no others, as they were."""
    found = files_of(folder)
    if found.keys() != files.keys():
        return False
    return not any(fault(lambda path=path: local_file(path), files[name]) for name, path in found.items())  # type: ignore[misc]


def fault(opened: Callable[[], AbstractContextManager[Readable]], expected: dict[str, Any]) -> str | None:
    """What is wrong with a file, by what its record says of it; None where every byte is as it was."""
    try:
        with opened() as file:
            if file.size != expected["bytes"]:
                return "has changed since it was written"
            if expected.get("of") == FOOTER:
                verify_pages(file, Footer(footer_of(file), expected["sha256"]))
            elif hash_of(file) != expected["sha256"]:
                return "has changed since it was written"
    except FileNotFoundError:
        return "is missing"
    except UserError:  # it cannot be known
        raise
    except (OSError, ValueError, KeyError, IndexError, pa.ArrowException):
        return "has changed since it was written"
    return None


def content_as_recorded(content: bytes, expected: dict[str, Any]) -> bool:
    """Whether a file whose content has been read is as it was."""
    if len(content) != expected["bytes"]:
        return False
    if expected.get("of") != FOOTER:
        return hashlib.sha256(content).hexdigest() == expected["sha256"]
    try:
        held = _Held(content)
        verify_pages(held, Footer(footer_of(held), expected["sha256"]))
    except (OSError, ValueError, KeyError, IndexError, pa.ArrowException):
        return False
    return True


class _Held:
    """Bytes in memory, read as a file."""

    def __init__(self, content: bytes) -> None:
        self._content, self.size = memoryview(content), len(content)

    def read(self, start: int, stop: int) -> bytes:
        if stop > self.size:
            raise OSError("it ends too early")
        return bytes(self._content[start:stop])

    def fill(self, start: int, into: memoryview) -> Any:
        into[:] = self.read(start, start + len(into))
        yield into
