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
    running = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            hashlib.file_digest(file, lambda: running)  # goes on where the file before it ended
    return running.hexdigest()


def changed(what: object, how: str = "has changed") -> UserError:
    """The error for what a job began with and is no longer what it was."""
    return UserError(f"{what} {how} since it was first read. Start the job again.")


def check_unchanged(files: Sequence[Path], expected: str) -> None:
    """Raise UserError unless the files have the hash that they had when they were first read."""
    for file in files:
        if not file.is_file():
            raise changed(file, "is gone")
    if sha256_of(files) != expected:
        raise changed(files[0])
