"""The store: the only code that touches storage.

    root/
      sample-3f2a.../            a stage's folder
        stage.json                 its settings, for people
        00000/                     a part: files that appeared together, by one rename
        00000.json                 its commit record, written last: sizes, SHA-256, and where and how it was made
      .scratch/                  parts in the making

A part exists exactly when its commit record does. Parquet is written with page checksums, and they are verified on reading.
"""

import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

from pipeline.errors import UserError
from pipeline.stage import Stage, settings

# Written without dictionaries and statistics: h has no repeated values, and float16 lists or dictionaries are many times slower.
_H_OPTIONS = {"compression": "NONE", "use_dictionary": False, "write_statistics": False, "write_page_checksum": True}
_TABLE_OPTIONS = {"compression": "zstd", "write_page_checksum": True}


@dataclass(frozen=True)
class Store:
    """A folder of parts. Nothing is opened or created before it is needed."""

    root: Path

    # What exists

    def missing(self, stage: Stage) -> list[int]:
        """The parts of a stage that are not there yet."""
        return [part for part in range(stage.n_parts) if not self.exists(stage, part)]

    def exists(self, stage: Stage, part: int) -> bool:
        return self._record_path(stage, part).exists()

    def folder(self, stage: Stage, part: int = 0) -> Path:
        """Where the files of a part lie."""
        return self.root / stage.folder / f"{part:05d}"

    def record(self, stage: Stage, part: int) -> dict[str, Any]:
        """The commit record of a part."""
        return json.loads(self._record_path(stage, part).read_text())

    def verify(self, stage: Stage, part: int) -> list[str]:
        """What is wrong with a finished part, by its recorded SHA-256 sums; empty when nothing is."""
        faults = []
        for name, expected in self.record(stage, part)["files"].items():
            path = self.folder(stage, part) / name
            if not path.exists():
                faults.append(f"{path} is missing")
            elif sha256(path) != expected["sha256"]:
                faults.append(f"{path} has changed since it was written")
        return faults

    # Reading

    def table(self, stage: Stage, name: str, part: int | None = None, **options: Any) -> pa.Table:
        """A Parquet file of one part, or of all parts in order, as one table."""
        parts = range(stage.n_parts) if part is None else [part]
        paths = [self.folder(stage, i) / name for i in parts]
        return pa.concat_tables([pq.read_table(path, page_checksum_verification=True, **options) for path in paths])

    def parquet(self, stage: Stage, name: str, part: int) -> pq.ParquetFile:
        """A Parquet file to be read by row groups."""
        return pq.ParquetFile(self.folder(stage, part) / name, page_checksum_verification=True)

    def vectors(self, stage: Stage, name: str = "directions.safetensors", part: int = 0) -> dict[str, np.ndarray]:
        return load_file(self.folder(stage, part) / name)

    # Writing

    @contextmanager
    def part(self, stage: Stage, part: int, made: dict[str, Any] | None = None) -> Iterator[Path]:
        """An empty folder to write a part into. It becomes the part when the block ends well, and vanishes otherwise."""
        scratch = self.root / ".scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{socket.gethostname()}.{os.getpid()}.", dir=scratch))
        folder.chmod(0o755)
        made = made if made is not None else {}
        try:
            yield folder
            self._commit(stage, part, folder, made)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _commit(self, stage: Stage, part: int, folder: Path, made: dict[str, Any]) -> None:
        """Make `folder` the part: check what was written, rename it into place, then write the record."""
        files = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                _check_written(path)
                files[str(path.relative_to(folder))] = {"bytes": path.stat().st_size, "sha256": sha256(path)}

        home = self.root / stage.folder
        if not (home / "stage.json").exists():
            home.mkdir(parents=True, exist_ok=True)
            write_atomically(home / "stage.json", json.dumps(describe(stage), indent=2) + "\n")
        if self.exists(stage, part):
            return  # another worker was faster; the bytes are the same
        shutil.rmtree(self.folder(stage, part), ignore_errors=True)  # renamed, but never recorded
        os.rename(folder, self.folder(stage, part))
        record = {"stage": stage.name, "fingerprint": stage.fingerprint, "part": part, "files": files, "made": made}
        write_atomically(self._record_path(stage, part), json.dumps(record, indent=2) + "\n")

    def _record_path(self, stage: Stage, part: int) -> Path:
        return self.root / stage.folder / f"{part:05d}.json"

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
        for folder in (self.root / ".scratch").iterdir():
            host, _, rest = folder.name.rpartition(".")[0].rpartition(".")
            if host == socket.gethostname() and rest.isdigit() and not _alive(int(rest)):
                shutil.rmtree(folder, ignore_errors=True)

    def free_bytes(self) -> int:
        """Space left on the disk that holds the root, which need not exist yet."""
        folder = self.root.absolute()
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free


def describe(stage: Stage) -> dict[str, Any]:
    """A stage as JSON for people and catalogs: name, version, fingerprint and settings."""
    return {
        "stage": stage.name,
        "version": stage.version,
        "fingerprint": stage.fingerprint,
        "settings": settings(stage),
    }


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_table(path: Path, table: pa.Table) -> None:
    """A small table as Parquet."""
    pq.write_table(table, path, **_TABLE_OPTIONS)


@contextmanager
def h_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A Parquet file of activations that is written while the reverse process goes, one row group a step."""
    with pq.ParquetWriter(path, schema, **_H_OPTIONS) as writer:
        yield writer


def write_vectors(path: Path, vectors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> None:
    """Named arrays as safetensors, float32."""
    arrays = {name: np.ascontiguousarray(vector, dtype=np.float32) for name, vector in vectors.items()}
    save_file(arrays, path, metadata=metadata)


def write_atomically(path: Path, text: str) -> None:
    """Write a file beside its place, flush it to the disk, and rename it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.rename(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


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
