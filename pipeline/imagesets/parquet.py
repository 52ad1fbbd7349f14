"""Parquet with a column of encoded images, as Hugging Face datasets write it: each row group is a piece."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.imagesets.encoded import Encoded
from pipeline.imagesets.kinds import NoImages
from pipeline.imagesets.storage import stop_if_passing
from pipeline.imagesets.tree import readable

_TOGETHER = 64  # rows that are in memory at once, however large their group
LARGE = 2**30  # bytes of a row group, from which on it is said how it is read


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files, in the order of their paths, with images in a column that is binary, or a struct with `bytes`.

    Where several columns could be meant, it is the one named `image`.
    """

    what: ClassVar[str] = "Parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)
    file_is_set: ClassVar[bool] = True

    def pieces(self, files: list[Path], root: Path) -> list["RowGroup"]:
        """Return the row groups of those files that have a column of images. Raises UserError where none has, or cannot be read."""
        schemas = [_schema(path) for path in files]
        columns = [_image_column(schema, path) for schema, path in zip(schemas, files, strict=True)]
        if not any(columns):
            raise NoImages(
                f"{readable(str(files[0]))} has no column of images; it has {', '.join(schemas[0].names) or 'no columns'}.\n"
                "Expected encoded images (PNG, JPEG ...): a binary column, or a struct with `bytes` as Hugging Face datasets "
                "write it."
            )
        found = [(path, column) for path, column in zip(files, columns, strict=True) if column]
        return [group for path, column in found for group in _row_groups(path, root, column)]


@dataclass(frozen=True)
class RowGroup:
    """A row group of a Parquet file, with a column of images."""

    path: Path
    file: str  # its name
    column: str
    group: int
    first: int  # its first row's number in the file
    length: int
    bytes: int = 0  # of the group, not compressed

    @property
    def slow(self) -> str:
        """What costs time in a group that many parts of the work read, each from its beginning; "" where it is small."""
        if self.bytes < LARGE:
            return ""
        return (
            f"{self.file} has a row group of {self.bytes / 1e9:.1f} GB, which every part of the work reads from its beginning "
            "to the rows that it needs. Written in smaller row groups (pyarrow's `row_group_size`) the file is read faster."
        )

    @property
    def name(self) -> str:
        return f"{self.file}, row group {self.group}"

    def __len__(self) -> int:
        return self.length

    def names(self) -> list[str]:
        return [f"{self.file}:{self.first + row}" for row in range(self.length)]

    def read(self, rows: range) -> Iterator[Encoded]:
        at = 0
        for cells in self._batches():
            wanted = range(max(rows.start, at), min(rows.stop, at + len(cells)))
            for row in wanted:
                yield self._encoded(row, cells[row - at].as_py())
            at += len(cells)
            if at >= rows.stop:
                return

    def _batches(self) -> Iterator[pa.Array]:
        """The column, some rows at a time, read on as it is asked for."""
        options: dict[str, Any] = {"page_checksum_verification": True, "pre_buffer": False, "buffer_size": 2**20}
        try:
            with pq.ParquetFile(self.path, **options) as file:
                for batch in file.iter_batches(_TOGETHER, row_groups=[self.group], columns=[self.column]):
                    yield batch.column(0)
        except (OSError, pa.ArrowInvalid) as error:
            raise _no_parquet(self.path, error) from error

    def _encoded(self, row: int, cell: Any) -> Encoded:
        data = cell["bytes"] if isinstance(cell, dict) else cell
        number = self.first + row
        where = f"{readable(str(self.path))} (row {number} of {self.column!r})"
        return Encoded(f"{self.file}:{number}", where, data or b"", _no_bytes(cell) if data is None else None)


def _no_bytes(cell: Any) -> tuple[str, str]:
    if isinstance(cell, dict) and cell.get("path"):
        return "no bytes", (
            f"the row only has a path elsewhere, {cell['path']}; write the images into the file, as Dataset.to_parquet of "
            "Hugging Face datasets does, or give their folder"
        )
    return "no bytes", "the row has no image"


def _row_groups(path: Path, root: Path, column: str) -> list[RowGroup]:
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    firsts = accumulate((group.num_rows for group in groups), initial=0)
    name = readable(path.relative_to(root).as_posix())
    return [
        RowGroup(path, name, column, i, first, group.num_rows, group.total_byte_size)
        for i, (group, first) in enumerate(zip(groups, firsts, strict=False))
    ]


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise _no_parquet(path, error) from error


def _no_parquet(path: Path, error: Exception) -> UserError:
    stop_if_passing(error, readable(str(path)))
    return UserError(f"{readable(str(path))} cannot be read as Parquet ({error}). Copy it again.")


def _image_column(schema: pa.Schema, path: Path) -> str | None:
    could_be = [column.name for column in schema if _holds_images(column.type)]
    if len(could_be) > 1 and "image" not in could_be:
        raise UserError(
            f"{readable(str(path))} has {len(could_be)} columns that could hold images: {', '.join(could_be)}.\n"
            "Rename the one that you mean to `image`."
        )
    return "image" if "image" in could_be else (could_be or [None])[0]


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return "bytes" in kind.names and _holds_images(kind.field("bytes").type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
