"""The store: the only code that touches storage.

    root/
      sample-3f2a.../            a stage's folder
        stage.json                 its settings, for people
        00000/                     a part: files that appeared together, by one rename
        00000.json                 its commit record, written last: sizes, SHA-256 (its own too), where and how it was made
      .scratch/                  parts in the making, and their records; one folder each, named by host and process

A part exists exactly when its commit record does, and whatever is read is first checked against that record: a whole file by its
SHA-256, a row group of activations by the checksums of its pages, which stand in a footer that is checked by its SHA-256.
"""

import errno
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load

from pipeline.engine.stage import Stage
from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.formats.hashes import sha256
from pipeline.formats.pages import footer_of, is_paged, read_group, verify_pages

Part = int | str  # its number; its name, where it may be none of the parts at the stage's extent

_DESCRIPTION = "stage.json"
_FOOTER = "footer"  # what the SHA-256 of activations is of
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Store:
    """A folder of parts. Nothing is opened or created before it is needed."""

    root: Path
    mark: str | None = None  # a file that must be there before anything is written: see `marked`

    # What exists

    def missing(self, stage: Stage) -> list[int]:
        """The parts of a stage that are not there yet, in order. The folder is listed once, however many parts there are."""
        there = set(self.finished(stage))
        parts = range(stage.n_parts)
        return [part for part in parts if stage.part_name(part) not in there] if there else list(parts)

    def exists(self, stage: Stage, part: int) -> bool:
        return os.path.exists(self._record_path(stage, part))  # False also where the root may not be read

    def folder(self, stage: Stage, part: Part = 0) -> Path:
        """Where the files of a part lie."""
        return self.root / stage.folder / _name(stage, part)

    def record(self, stage: Stage, part: Part) -> dict[str, Any]:
        """The commit record of a part. Raises UserError where it is damaged, or another part's."""
        path = self._record_path(stage, part)
        try:
            record = json.loads(path.read_bytes())
            seal = record.pop("sha256_of_this", None)
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise self._damaged(stage, part, path, f"{type(error).__name__}: {error}") from error
        if seal is None:
            raise UserError(
                f"{path} has no SHA-256 of its own: it is damaged, or of an older release.\n"
                f"Delete the folder {path.parent}, or give a new root, and run the same command: its parts are made again."
            )
        if seal != _seal(record):
            raise self._damaged(stage, part, path, "it does not have the SHA-256 that it was written with")
        if (record["stage"], record["fingerprint"], record["name"]) != (stage.name, stage.fingerprint, path.stem):
            raise self._damaged(stage, part, path, "it is the record of another part")
        return record

    def verify(self, stage: Stage, part: int) -> list[str]:
        """What is wrong with a finished part, by its recorded SHA-256 sums; empty when nothing is."""
        folder, recorded = self.folder(stage, part), self.record(stage, part)["files"]
        faults = []
        for name, expected in recorded.items():
            path = folder / name
            try:
                if not path.exists():
                    faults.append(f"{path} is missing")
                elif not _is_as_recorded(path, expected):
                    faults.append(f"{path} has changed since it was written")
            except OSError as error:
                faults.append(f"{path} cannot be read ({error.strerror})")
        return faults

    def check(self, stage: Stage) -> None:
        """Raise UserError unless every part of a finished stage is as it was written."""
        for part in range(stage.n_parts):
            for fault in self.verify(stage, part):
                raise UserError(f"{fault}.\n{self._how_to_mend(stage, part)}")

    # Reading

    def read(self, stage: Stage, name: str, part: Part = 0) -> bytes:
        """A file of a finished part, once its bytes are known to be those that were written."""
        path = self.folder(stage, part) / name
        expected = self._expected(stage, part, name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise self._damaged(stage, part, path, str(error)) from error
        if expected.get("of") == _FOOTER:
            whole = _is_as_recorded(path, expected)
        else:
            whole = hashlib.sha256(content).hexdigest() == expected["sha256"]
        if not whole:
            raise self._damaged(stage, part, path, "it does not have the checksum that it was written with")
        return content

    def holds(self, stage: Stage, name: str, part: Part = 0) -> bool:
        """Whether a finished part has a file of this name, by its record."""
        return name in self.record(stage, part)["files"]

    def text(self, stage: Stage, name: str, part: Part = 0) -> str:
        """A file of text."""
        return self.read(stage, name, part).decode()

    def table(self, stage: Stage, name: str, part: Part | None = None, **options: Any) -> pa.Table:
        """A Parquet file of one part, or of all parts in order, as one table."""
        parts: Iterable[Part] = range(stage.n_parts) if part is None else [part]
        tables = [pq.read_table(pa.BufferReader(self.read(stage, name, i)), **options) for i in parts]
        return pa.concat_tables(tables)

    def vectors(self, stage: Stage, name: str = "directions.safetensors", part: Part = 0) -> dict[str, np.ndarray]:
        """The arrays of a safetensors file."""
        return load(self.read(stage, name, part))

    @contextmanager
    def group(
        self, stage: Stage, name: str, part: int, schema: pa.Schema, group: int, last: np.ndarray
    ) -> Iterator[pa.Table]:
        """One row group of what `h_writer` wrote: the last column is read into an array, the others are the table.

        The bytes of other row groups are not touched. What the block raises of OSError counts as damage, too.
        """
        path = self.folder(stage, part) / name
        expected = self._expected(stage, part, name)
        try:
            yield read_group(path, expected["sha256"], schema, group, last)
        except (OSError, KeyError, IndexError, pa.ArrowException) as error:
            raise self._damaged(stage, part, path, str(error)) from error

    def finished(self, stage: Stage, beginning: str = "") -> list[str]:
        """The names of the finished parts, or of those that begin so; also of those that are none at the stage's extent."""
        try:
            listed = os.listdir(self.root / stage.folder)
        except OSError:  # not there yet, or not to be read
            return []
        names = (name.removesuffix(".json") for name in listed if name.endswith(".json") and name != _DESCRIPTION)
        return sorted(name for name in names if name.startswith(beginning))

    def unchanged(self, stage: Stage, part: Part) -> bool:
        """Whether a finished part is as its record says, and that can be read."""
        try:
            return _as_recorded(self.folder(stage, part), self.record(stage, part)["files"])
        except (UserError, OSError):
            return False

    def _expected(self, stage: Stage, part: Part, name: str) -> dict[str, Any]:
        """What the record says of a file."""
        try:
            return self.record(stage, part)["files"][name]
        except KeyError as error:
            where = self.folder(stage, part) / name
            raise self._damaged(stage, part, where, "its part's record does not list it") from error

    def _damaged(self, stage: Stage, part: Part, path: Path, what: str) -> UserError:
        """What is wrong with a file, and how to have its part made again."""
        return UserError(f"{path} is missing or damaged ({what}).\n{self._how_to_mend(stage, part)}")

    def _how_to_mend(self, stage: Stage, part: Part) -> str:
        return f"Delete {self._record_path(stage, part)} and run the same command: the part is made again."

    # Writing

    @contextmanager
    def part(self, stage: Stage, part: int, made: dict[str, Any] | None = None) -> Iterator[Path]:
        """An empty folder to write a part into. It becomes the part when the block ends well, and vanishes otherwise."""
        self.check_shared()
        with self._full_disk_explained(), self._staging() as staging:
            out = staging / "part"
            out.mkdir()
            yield out
            self._commit(stage, part, out, made if made is not None else {})

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """An empty folder of this process in the scratch, removed at the end."""
        scratch = self.root / ".scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f"{socket.gethostname()}.{os.getpid()}.", dir=scratch))
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _commit(self, stage: Stage, part: int, out: Path, made: dict[str, Any]) -> None:
        """Make `out` the part: check what was written, rename it into place, then write the record."""
        for path in _files(out):
            _check_written(path)
        files = _sums(out)

        home = self.root / stage.folder
        if not (home / _DESCRIPTION).exists():
            home.mkdir(parents=True, exist_ok=True)
            _write_by_rename(home / _DESCRIPTION, describe(stage), staging=out.parent)
        if self.exists(stage, part):
            return  # another worker was faster; the bytes are the same
        _rename_unless_there(out, self.folder(stage, part), files)
        whose = {"stage": stage.name, "fingerprint": stage.fingerprint, "part": part, "name": stage.part_name(part)}
        record = {**whose, "files": files, "made": made}
        sealed = {**record, "sha256_of_this": _seal(record)}
        _write_by_rename(self._record_path(stage, part), sealed, staging=out.parent)

    @contextmanager
    def _full_disk_explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise UserError(
                f"Could not write on in {self.root}: {os.strerror(error.errno)}.\n"
                "Make room, then run the same command again; what was finished is kept."
            ) from error

    def _record_path(self, stage: Stage, part: Part) -> Path:
        return self.root / stage.folder / f"{_name(stage, part)}.json"

    # Housekeeping

    def prepare(self) -> None:
        """Create the root, see that it can be written, and clear what processes of this machine left when they were killed."""
        try:
            (self.root / ".scratch").mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise UserError(
                f"Cannot write to {self.root} ({error.strerror}).\nGive another folder with --root, or make this one writable."
            ) from error
        for staging in (self.root / ".scratch").iterdir():
            host, _, pid = staging.name.rpartition(".")[0].rpartition(".")
            if host == socket.gethostname() and pid.isdigit() and not _alive(int(pid)):
                shutil.rmtree(staging, ignore_errors=True)

    @contextmanager
    def marked(self) -> Iterator["Store"]:
        """This store with a mark in its root, by which workers know it: another machine may have a folder of the same name."""
        with self._full_disk_explained(), self._staging() as staging:
            yield replace(self, mark=staging.name)

    def check_shared(self) -> None:
        """Raise UserError where this process does not see the mark that was left in the root."""
        if self.mark and not os.path.exists(self.root / ".scratch" / self.mark):
            found = "another folder of that name" if os.path.exists(self.root) else "no such folder"
            raise UserError(
                f"A worker on {socket.gethostname()} does not share the folder {self.root}: it finds {found}.\n"
                "Give --root as the absolute path of a folder that this machine and all workers share, such as a network disk."
            )

    def free_bytes(self) -> int:
        """Space left on the disk that holds the root, which need not exist yet."""
        folder = self.root.absolute()
        while not os.path.exists(folder):
            folder = folder.parent
        return shutil.disk_usage(folder).free


def describe(stage: Stage, extents: bool = False) -> dict[str, Any]:
    """A stage as JSON for people and catalogs: name, version, fingerprint and settings, with its extent or without."""
    return {
        "stage": stage.name,
        "version": stage.version,
        "fingerprint": stage.fingerprint,
        "settings": settings(stage, extents),
    }


def _write_by_rename(path: Path, content: dict[str, Any], staging: Path) -> None:
    """Write JSON in the staging folder, flush it to the disk, and rename it into place."""
    with open(staging / path.name, "w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(staging / path.name, path)


def _rename_unless_there(out: Path, folder: Path, files: dict[str, Any]) -> None:
    """Put a part into place. A worker killed before the record, or a rival about to write it, may have left its equal there."""
    if folder.exists() and not _as_recorded(folder, files):
        shutil.rmtree(folder)
    try:
        os.rename(out, folder)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise


def _seal(record: dict[str, Any]) -> str:
    """SHA-256 of what a record says, whatever the layout of its JSON."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _as_recorded(folder: Path, files: dict[str, Any]) -> bool:
    """Whether a folder holds these files and no others, as they were."""
    found = {str(path.relative_to(folder)): path for path in _files(folder)}
    return found.keys() == files.keys() and all(_is_as_recorded(path, files[name]) for name, path in found.items())


def _is_as_recorded(path: Path, expected: dict[str, Any]) -> bool:
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


def _name(stage: Stage, part: Part) -> str:
    return part if isinstance(part, str) else stage.part_name(part)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sums(folder: Path) -> dict[str, Any]:
    """What a record says of every file of a part."""
    return {str(path.relative_to(folder)): _sum(path) for path in _files(folder)}


def _sum(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file; of activations that of the footer, which has the checksums of all their pages."""
    size = path.stat().st_size
    if path.suffix == ".parquet" and is_paged(path):
        return {"bytes": size, "sha256": hashlib.sha256(footer_of(path)).hexdigest(), "of": _FOOTER}
    return {"bytes": size, "sha256": sha256(path)}


def _check_written(path: Path) -> None:
    """Flush a file to the disk; a Parquet file must have its footer."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
    if path.suffix == ".parquet":
        pq.read_metadata(path)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
