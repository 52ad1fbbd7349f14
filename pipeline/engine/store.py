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

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load

from pipeline.engine import scratch
from pipeline.engine.records import (
    Damaged,
    Unsealed,
    all_as_recorded,
    as_recorded,
    content_as_recorded,
    files_of,
    read_sealed,
    sealed,
    sums,
)
from pipeline.engine.stage import Stage
from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.formats.pages import read_group

Part = int | str  # its number; its name, where it may be none of the parts at the stage's extent

_DESCRIPTION = "stage.json"


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
            record = read_sealed(path)
        except Unsealed as error:
            raise UserError(
                f"{path} has no SHA-256 of its own: it is damaged, or of an older release.\n"
                f"Delete the folder {path.parent}, or give a new root, and run the same command: its parts are made again."
            ) from error
        except Damaged as error:
            raise self._damaged(stage, part, path, str(error)) from error
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
                elif not as_recorded(path, expected):
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
        if not content_as_recorded(path, content, expected):
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
        self,
        stage: Stage,
        name: str,
        part: int,
        schema: pa.Schema,
        group: int,
        into: np.ndarray,
        column: str | None = None,
    ) -> Iterator[pa.Table]:
        """One row group of what `h_writer` wrote: a column, the last unless it is named, into an array, the plain ones as a table.

        The bytes of other row groups are not touched. What the block raises of OSError counts as damage, too.
        """
        path = self.folder(stage, part) / name
        expected = self._expected(stage, part, name)
        try:
            yield read_group(path, expected["sha256"], schema, group, into, column)
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
            return all_as_recorded(self.folder(stage, part), self.record(stage, part)["files"])
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
        with scratch.staging(self.root) as staging:
            out = staging / "part"
            out.mkdir()
            yield out
            self._commit(stage, part, out, made if made is not None else {})

    def _commit(self, stage: Stage, part: int, out: Path, made: dict[str, Any]) -> None:
        """Make `out` the part: check what was written, rename it into place, then write the record."""
        for path in files_of(out).values():
            scratch.check_written(path)
        files = sums(out)

        home = self.root / stage.folder
        if not (home / _DESCRIPTION).exists():
            home.mkdir(parents=True, exist_ok=True)
            scratch.write_by_rename(home / _DESCRIPTION, describe(stage), staging=out.parent)
        if self.exists(stage, part):
            return  # another worker was faster; the bytes are the same
        scratch.rename_unless_there(out, self.folder(stage, part), files)
        whose = {"stage": stage.name, "fingerprint": stage.fingerprint, "part": part, "name": stage.part_name(part)}
        record = sealed({**whose, "files": files, "made": made})
        scratch.write_by_rename(self._record_path(stage, part), record, staging=out.parent)

    def _record_path(self, stage: Stage, part: Part) -> Path:
        return self.root / stage.folder / f"{_name(stage, part)}.json"

    # Housekeeping

    def prepare(self) -> None:
        """Create the root, see that it can be written, and clear what processes of this machine left when they were killed."""
        scratch.prepare(self.root)

    @contextmanager
    def marked(self) -> Iterator["Store"]:
        """This store with a mark in its root, by which workers know it: another machine may have a folder of the same name."""
        with scratch.staging(self.root) as staging:
            yield replace(self, mark=staging.name)

    def check_shared(self) -> None:
        """Raise NotShared where this process does not see the mark that was left in the root."""
        if self.mark:
            scratch.check_shared(self.root, self.mark)

    def free_bytes(self) -> int:
        """Space left on the disk that holds the root, which need not exist yet."""
        return scratch.free_bytes(self.root)


def describe(stage: Stage, extents: bool = False) -> dict[str, Any]:
    """A stage as JSON for people and catalogs: name, version, fingerprint and settings, with its extent or without."""
    return {
        "stage": stage.name,
        "version": stage.version,
        "fingerprint": stage.fingerprint,
        "settings": settings(stage, extents),
    }


def _name(stage: Stage, part: Part) -> str:
    return part if isinstance(part, str) else stage.part_name(part)
