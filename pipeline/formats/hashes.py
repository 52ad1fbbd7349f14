"""SHA-256 of files, and whether they are still those that were first read."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.errors import UserError


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(files: Iterable[Path]) -> str:
    """One hash over the contents of files, in the order given."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def check_unchanged(files: Sequence[Path], expected: str) -> None:
    """Raise UserError unless the files have the hash that they had when they were first read."""
    if not all(file.is_file() for file in files) or sha256_of(files) != expected:
        raise UserError(f"{files[0]} has changed since it was first read, or is gone. Start the job again.")
