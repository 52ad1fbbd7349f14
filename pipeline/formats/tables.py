"""Tables that other programs write, as columns: Parquet, CSV and its siblings, and CelebA's layout of text."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from pipeline.errors import UserError

_PARQUET = b"PAR1"
_SEPARATORS = "\t,;"


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of a file, in its order. Those of text files hold strings, as they stand there."""

    names: tuple[str, ...]
    cells: tuple[pa.ChunkedArray, ...]
    said: dict[str, dict[bytes, bytes]] = field(
        default_factory=dict
    )  # of a column, by its name: a Parquet field's metadata

    @property
    def rows(self) -> int:
        return len(self.cells[0]) if self.cells else 0


def read_columns(path: Path) -> Columns:
    """Read a table by what is in the file, whatever its name. Raises UserError for what is none, with the row that is wrong."""
    try:
        data = path.read_bytes() if path.is_file() else None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    if data is None:
        what = "is a folder" if path.is_dir() else "is not there" if not path.exists() else "is no regular file"
        raise UserError(f"{path} {what}; expected a table: Parquet, CSV, or text as CelebA's list_attr_celeba.txt.")
    return _of_parquet(path) if data.startswith(_PARQUET) else _of_text(_text(data, path), path)


def _of_parquet(path: Path) -> Columns:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be read as Parquet ({error}). Copy it again.") from error
    cells = [each.cast(each.type.value_type) if pa.types.is_dictionary(each.type) else each for each in table.columns]
    return Columns(
        tuple(table.column_names), tuple(cells), {each.name: dict(each.metadata or {}) for each in table.schema}
    )


def _text(data: bytes, path: Path) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path} is neither Parquet nor text in UTF-8 (line {line}). Save it as one of them."
        ) from error
    if "\0" in text:
        raise UserError(f"{path} is neither Parquet nor text in UTF-8 (it holds zeros). Save it as one of them.")
    if not text.strip():
        raise UserError(f"{path} is empty. Expected a header, and a row an image.")
    return text


def _of_text(text: str, path: Path) -> Columns:
    first, _, rest = text.lstrip().partition("\n")
    if first.strip().isdecimal():
        return _of_celeba(int(first), rest, path)
    return _separated(text, max(_SEPARATORS, key=first.count) if any(s in first for s in _SEPARATORS) else ",", path)


def _of_celeba(count: int, text: str, path: Path) -> Columns:
    """A line of names, and rows of as many numbers after the name of an image, or of as many cells."""
    header, *rows = [" ".join(line.split()) for line in text.splitlines() if line.strip()] or [""]
    if len(rows) != count:
        raise UserError(f"{path} says that it has {count:,} rows, and has {len(rows):,}. Copy it again.")
    names = header.split()
    if rows and rows[0].count(" ") == len(names):
        names = ["image_id", *names]
    return _separated("\n".join([" ".join(names), *rows]), " ", path)


def _separated(text: str, separator: str, path: Path) -> Columns:
    wrong: list[str] = []

    def note(row: pcsv.InvalidRow) -> str:
        wrong.append(f"row {row.number - 1} has {row.actual_columns} cells and not {row.expected_columns}")
        return "skip"

    names = tuple(name.strip() for name in next(csv.reader(io.StringIO(text.lstrip()), delimiter=separator)))
    strings = {f"f{i}": pa.string() for i in range(len(names))}
    try:
        table = pcsv.read_csv(
            io.BytesIO(text.encode()),
            pcsv.ReadOptions(use_threads=False, autogenerate_column_names=True),
            pcsv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=note),
            pcsv.ConvertOptions(strings_can_be_null=False, column_types=strings),
        )
    except pa.ArrowException as error:
        raise UserError(f"{path} cannot be read as a table ({error}).") from error
    if wrong:
        raise UserError(
            f"{path}: {wrong[0]}, as its header has. Mend the row: cells with {separator!r} stand in quotes."
        )
    return Columns(names, tuple(column.slice(1) for column in table.columns))
