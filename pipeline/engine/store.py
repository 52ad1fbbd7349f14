"""The store: the only code that touches storage.

    root/                        a folder of a disk or of a bucket: see roots.py
      sample-3f2a.../              a stage's folder
        stage.json                   its settings and what it reads, for people
        00000.json                   a part's commit record, written last: its folder, sizes, SHA-256 (its own too), how it was made
        00000-5c1e.../               the part's files, in a folder named by what they hold: two of one part never mix
      .scratch/                    parts in the making (of a bucket: on this machine's temporary disk)

A part exists exactly when its commit record is whole and is its own, and the files that it names are there. Whatever is read is
first checked against that record: a whole file by its SHA-256, a row group of activations by the checksums of its pages, which
stand in a footer that is checked by its SHA-256.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load

from pipeline.engine.filesystem import FULL, PASSING, Failing, Filesystem, Unusable, explained
from pipeline.engine.inventory import forget, inventory, known_record, read_record
from pipeline.engine.machines import note_read
from pipeline.engine.records import (
    DESCRIPTION,
    Damaged,
    content_as_recorded,
    content_name,
    fault,
    sealed,
    written,
)
from pipeline.engine.roots import is_local, normal, opened
from pipeline.engine.stage import Stage
from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.formats.pages import Footer, footer_of, read_group
from pipeline.phases import phase

Part = int | str  # its number; its name, where it may be none of the parts at the stage's extent
How = Mapping[str, Any] | Callable[[], Mapping[str, Any]]  # a part was made, or what says it once all else is written

_TRIES, _PAUSE = 3, 0.5  # of a commit that fails in passing; seconds before the second one, which grow


@dataclass(frozen=True)
class Store:
    """A root of parts. Nothing is opened or created before it is needed."""

    root: Path | str
    mark: str | None = None  # what must be seen in the root before anything is written: see `marked`
    repairing: bool = False  # whether every byte of what is there is checked first, and what is damaged taken out
    _repaired: dict[str, dict[str, list[str]]] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        address = normal(self.root)
        object.__setattr__(self, "root", Path(address) if is_local(address) else address)

    @property
    def _files(self) -> Filesystem:
        return opened(self.root)

    # What exists

    def missing(self, stage: Stage) -> list[int]:
        """The parts of a stage that are not there yet, in order. The folder is listed once, however many parts there are."""
        if self.repairing and stage.folder not in self._repaired:
            self._repaired[stage.folder] = self._take_out_damaged(stage)
            self._describe_again(stage)
        there = inventory(self._files, stage).whole
        parts = range(stage.n_parts)
        return [part for part in parts if stage.part_name(part) not in there] if there else list(parts)

    def unsound(self, stage: Stage) -> list[str]:
        """What lies among the parts of a stage and is none, with the reason, and what was damaged and has been taken out."""
        named = set(map(stage.part_name, range(stage.n_parts)))
        found = [
            f"{self._at(stage, name)}.json: {why}"
            for name, why in sorted(inventory(self._files, stage).unsound.items())
            if name in named
        ]
        return [why for faults in self._repaired.get(stage.folder, {}).values() for why in faults] + found

    def taken_out(self, stage: Stage) -> set[str]:
        """The names of the parts that were damaged, where that was looked for. They are to be made again, whoever needs them."""
        return set(self._repaired.get(stage.folder, ()))

    def finished(self, stage: Stage, beginning: str = "") -> list[str]:
        """The names of the finished parts, or of those that begin so; also of those that are none at the stage's extent."""
        return sorted(inventory(self._files, stage, beginning).whole)

    def exists(self, stage: Stage, part: Part) -> bool:
        """Whether a part is there whole. Raises Unusable where that cannot be known."""
        try:
            record = read_record(self._files, stage, _name(stage, part))
        except (FileNotFoundError, Damaged):
            return False
        there = self._files.listing(f"{stage.folder}/{record['folder']}")
        return all(name in there for name in record["files"])

    @phase("read")
    def record(self, stage: Stage, part: Part) -> dict[str, Any]:
        """The commit record of a part. Raises UserError where there is none, or it is damaged, or another part's."""
        name = _name(stage, part)
        try:
            record = known_record(self._files, stage, name)
        except FileNotFoundError as error:
            raise self._damaged(stage, part, f"{self._at(stage, name)}.json", "there is no such file") from error
        except Damaged as error:
            forget()  # who mends it is to be believed
            raise self._damaged(stage, part, f"{self._at(stage, name)}.json", str(error)) from error
        note_read(record.get("made", {}))
        return record

    # What is damaged

    def verify(self, stage: Stage, part: Part) -> list[str]:
        """What is wrong with a finished part, every byte of it looked at; empty when nothing is."""
        record = self.record(stage, part)
        at, faults = f"{stage.folder}/{record['folder']}", []
        for name, expected in record["files"].items():
            if why := fault(partial(self._files.open, f"{at}/{name}"), expected):
                faults.append(f"{self._files.address}/{at}/{name} {why}")
        return faults

    def check(self, stage: Stage) -> None:
        """Raise UserError unless every part of a finished stage is as it was written."""
        for part in range(stage.n_parts):
            for found in self.verify(stage, part):
                raise UserError(f"{found}.\n{self._how_to_mend(stage, part)}")

    def unchanged(self, stage: Stage, part: Part) -> bool:
        """Whether a finished part is as its record says."""
        try:
            return not self.verify(stage, part)
        except Unusable:
            raise
        except UserError:
            return False

    def _take_out_damaged(self, stage: Stage) -> dict[str, list[str]]:
        """Take the damaged parts of a stage out, so that they are made again; return what was wrong with them, by name.

        What lies there and is no part, though something of one is there, is to be made again, too.
        """
        whole, unsound = inventory(self._files, stage)
        faults = {name: list[str]() for name in unsound}
        for name in whole:
            if found := self.verify(stage, name):
                self._files.remove(f"{stage.folder}/{name}.json")
                faults[name] = found
        forget()
        return faults

    def _describe_again(self, stage: Stage) -> None:
        """Write what a stage is beside its parts, where that is damaged or gone. Nothing waits for it but who cleans the root."""
        name, described = f"{stage.folder}/{DESCRIPTION}", _described(stage)
        if inventory(self._files, stage).whole and self.left(name) != described:
            self.leave(name, described)

    # Reading

    @phase("read")
    def read(self, stage: Stage, name: str, part: Part = 0) -> bytes:
        """A file of a finished part, once its bytes are known to be those that were written."""
        at, expected = self._expected(stage, part, name)
        whole = partial(self._files.read, at)
        try:
            content = whole() if "of" in expected else self._files.cached(expected["sha256"], whole)
        except OSError as error:
            raise self._damaged(stage, part, f"{self._files.address}/{at}", error.strerror or str(error)) from error
        if not content_as_recorded(content, expected):
            why = "it does not have the checksum that it was written with"
            raise self._damaged(stage, part, f"{self._files.address}/{at}", why)
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
        at, expected = self._expected(stage, part, name)
        sha256 = expected["sha256"]
        try:
            with phase("read"), self._files.open(at, expected["bytes"]) as file:
                footer = Footer(self._files.cached(sha256, lambda: footer_of(file)), sha256)
                rows = read_group(file, footer, schema, group, into, column)
            yield rows
        except (OSError, KeyError, IndexError, ValueError, pa.ArrowException) as error:
            raise self._damaged(stage, part, f"{self._files.address}/{at}", str(error)) from error

    def location(self, stage: Stage, part: Part = 0) -> str:
        """Where the files of a part lie, for people: a path, or a URL."""
        return f"{self._files.address}/{stage.folder}/{self.record(stage, part)['folder']}"

    def folder(self, stage: Stage, part: Part = 0) -> Path:
        """Where the files of a part lie on this machine's disk. Raises UserError for a root in an object store."""
        if not isinstance(self.root, Path):
            raise UserError(f"{self.root} is no folder of this machine.")
        return Path(self.location(stage, part))

    def _expected(self, stage: Stage, part: Part, name: str) -> tuple[str, dict[str, Any]]:
        """Where a file of a part lies below the root, and what the record says of it."""
        record = self.record(stage, part)
        at = f"{stage.folder}/{record['folder']}/{name}"
        try:
            return at, record["files"][name]
        except KeyError as error:
            why = "its part's record does not list it"
            raise self._damaged(stage, part, f"{self._files.address}/{at}", why) from error

    def _damaged(self, stage: Stage, part: Part, path: str, what: str) -> UserError:
        """What is wrong with a file, and how to have its part made again."""
        return UserError(f"{path} is missing or damaged ({what}).\n{self._how_to_mend(stage, part)}")

    def _how_to_mend(self, stage: Stage, part: Part) -> str:
        return (
            f"Delete {self._at(stage, _name(stage, part))}.json and run the same command: the part is made again. "
            "With `repair`, all that is damaged is found and made again."
        )

    def _at(self, stage: Stage, name: str) -> str:
        return f"{self._files.address}/{stage.folder}/{name}"

    # Writing

    @contextmanager
    def part(self, stage: Stage, part: int, made: How | None = None) -> Iterator[Path]:
        """An empty folder to write a part into. It becomes the part when the block ends well, and vanishes otherwise.

        made: what its record says of how it was made.
        """
        self.check_shared()
        with self._files.staging() as staging, _full_explained(self.root if is_local(self.root) else staging.parent):
            out = staging / "part"
            out.mkdir()
            yield out
            self._commit(stage, part, out, made or {})

    @phase("commit")
    def _commit(self, stage: Stage, part: int, out: Path, made: How) -> None:
        """Make `out` the part: check what was written, put it into place, then write the record."""
        files, name = written(out), stage.part_name(part)
        folder = f"{name}-{content_name(files)}"
        whose = {"stage": stage.name, "fingerprint": stage.fingerprint, "part": part, "name": name}
        _patiently(partial(self._put_in_place, stage, out, {**whose, "folder": folder, "files": files}, made))

    def _put_in_place(self, stage: Stage, out: Path, record: dict[str, Any], made: How) -> None:
        here, staging, name = self._files, out.parent, record["name"]
        whose = (here.address, stage.folder)
        if whose not in _DESCRIBED:
            here.write(f"{stage.folder}/{DESCRIPTION}", _described(stage), staging)
            _DESCRIBED.add(whose)
        if out.exists():  # the try before this one may have come so far
            here.publish(out, f"{stage.folder}/{record['folder']}", record["files"])
        content = sealed({**record, "made": made() if callable(made) else made})
        if not here.write_new(f"{stage.folder}/{name}.json", content, staging) and not self.exists(stage, name):
            here.write(f"{stage.folder}/{name}.json", content, staging)  # what is there is no record of a part

    def leave(self, name: str, content: bytes) -> None:
        """Leave a small file by name in the root, whole or not at all, in the place of what was there."""
        with self._files.staging() as staging:
            _patiently(partial(self._files.write, name, content, staging))

    def left(self, name: str) -> bytes | None:
        """A file that was left in the root; None where there is none."""
        try:
            return self._files.read(name)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def take_back(self, name: str) -> None:
        """Remove a file that was left in the root, where it is there."""
        self._files.remove(name)

    # Housekeeping

    def prepare(self) -> None:
        """Create the root, see that it can be written, and clear what killed processes have left in the making."""
        self._files.prepare()

    @contextmanager
    def several(self) -> Iterator[None]:
        """Keep what the making of a part begins with for the next one, while the block lasts: small parts are made faster so."""
        with ExitStack() as kept:
            with suppress(OSError, UserError):  # each part will say what is wrong
                kept.enter_context(self._files.staging())
            yield

    def clear_scratch(self) -> None:
        """Clear what killed processes have left in the making."""
        self._files.clear_scratch()

    @contextmanager
    def marked(self) -> Iterator["Store"]:
        """This store with a mark in its root, by which workers know it: another machine may have a folder of the same name."""
        with self._files.marked() as mark:
            yield replace(self, mark=mark)

    def check_shared(self) -> None:
        """Raise NotShared where this process does not see the mark that was left in the root."""
        if self.mark:
            self._files.check_shared(self.mark)

    def free_bytes(self) -> int | None:
        """Space left for the root, which need not exist yet; None where there is no end to be seen."""
        return self._files.free_bytes()


_DESCRIBED: set[tuple[str, str]] = set()  # the stages that this process has described, by root and folder


def describe(stage: Stage, extents: bool = False) -> dict[str, Any]:
    """A stage as JSON for people and catalogs: name, version, fingerprint and settings, with its extent or without."""
    return {
        "stage": stage.name,
        "version": stage.version,
        "fingerprint": stage.fingerprint,
        "settings": settings(stage, extents),
    }


def _described(stage: Stage) -> bytes:
    """What a stage is and the folders of what it reads, as it stands beside its parts."""
    return sealed({**describe(stage), "reads": list(dict.fromkeys(each.folder for each in stage.inputs))})


def _patiently(do: Callable[[], None]) -> None:
    """Do something, again where it fails in a way that may pass: what was computed is worth more than a moment."""
    for tried in range(1, _TRIES + 1):
        try:
            return do()
        except (OSError, Failing) as error:
            if tried == _TRIES or (isinstance(error, OSError) and error.errno not in (*PASSING, None)):
                raise
            time.sleep(_PAUSE * 4 ** (tried - 1))


@contextmanager
def _full_explained(where: Path | str) -> Iterator[None]:
    """Raise Unusable for a disk that is full, whoever met it."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        with explained(str(where)):
            raise


def _name(stage: Stage, part: Part) -> str:
    return part if isinstance(part, str) else stage.part_name(part)
