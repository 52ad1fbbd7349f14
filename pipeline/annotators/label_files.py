"""Labels in files: what tables say of images by name or number, read by a stated rule, or refused in words.

A file is Parquet, or text in UTF-8: the layout of CelebA's `list_attr_celeba.txt` (a line with the number of rows, a line of
attributes, then rows of a name and as many numbers, with spaces between them), or a header and rows with tabs, commas or semicolons
between their cells.

One column, the key, says which image a row is of: the first of `KEYS` that is there, in capitals or not. Every other column that
holds numbers, or true and false, is an attribute. Cells that are empty, or say NA, NaN, null or none, are not labelled. Where
a Parquet field's metadata has a `threshold`, as those of `python -m jobs.annotate` have, an attribute is present above it. Rows are
counted from 1, below the header.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.annotators.names import fit
from pipeline.errors import UserError
from pipeline.formats.tables import Columns, read_columns
from schemas.columns import threshold_of

SAMPLE_ID = "sample_id"
FILES = (
    *("file", "file_name", "filename", "file_path", "filepath", "name"),
    *("image", "image_id", "image_name", "image_file", "image_path", "img", "path"),
)
KEYS = (SAMPLE_ID, *FILES)
NUMBERING = (
    "",
    "id",
    "index",
    "seed",
    "unnamed:_0",
    "__index_level_0__",
)  # columns that number rows, and label nothing

_MISSING = ("", "na", "n/a", "nan", "null", "none")
_WORDS = {"true": 1.0, "false": 0.0}
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class LabelTable:
    """What a file says of images: a row an image, a column an attribute. `read` makes one."""

    by: Literal["file", "sample_id"]  # what the keys are
    keys: tuple[str, ...] | tuple[int, ...]  # each once
    attributes: tuple[str, ...]
    values: np.ndarray  # (n, attributes) float64, NaN where not labelled
    binary: tuple[bool, ...]  # by attribute: whether it is 0 or 1 wherever it is labelled
    left_out: dict[str, str]  # columns that are no attributes, and why
    thresholds: tuple[float, ...]  # by attribute: above it, it is present; NaN is not known


class _Column(NamedTuple):
    values: np.ndarray  # (n,) float64
    binary: bool
    said: float = math.nan  # the threshold that the file says

    @property
    def threshold(self) -> float:
        """Between 0 and 1 where there is nothing else and the file says none; of other numbers no border is known."""
        return 0.5 if self.binary and math.isnan(self.said) else self.said


def read(path: str | Path, key: str | None = None) -> LabelTable:
    """Read the labels in a file. key: the column that says which image a row is of, where it is another than the rule's.

    0 and 1, -1 and 1, true and false are 0 and 1 in the table. Raises UserError for a file that cannot be read, has no key or no
    attribute, rows without a key, two rows of one, or columns of numbers in which some cells are none.
    """
    columns = read_columns(Path(path))
    if not columns.rows:
        raise UserError(f"{path} has no row. Expected a row an image.")
    where = _key(columns.names, key, path)
    name = columns.names[where]
    by: Literal["file", "sample_id"] = "sample_id" if _plain(name) == SAMPLE_ID else "file"
    keys = _keys(columns, where, by, path)
    found: dict[str, _Column] = {}
    left_out: dict[str, str] = {}
    for i, (each, cells) in enumerate(zip(columns.names, columns.cells, strict=True)):
        if i == where:
            continue
        read = _numbers(each, cells, path) if _plain(each) not in (*KEYS, *NUMBERING) else "it says which row this is"
        if isinstance(read, str):
            left_out[each] = read
        else:
            _add(found, each, read._replace(said=threshold_of(columns.said.get(each, {}))), path)
    if not found:
        why = "".join(f"\n{each or 'A column without a name'}: {told}." for each, told in left_out.items())
        raise UserError(f"{path} has no attribute: expected columns of numbers, or true and false, beside {name}.{why}")
    values = np.stack([each.values for each in found.values()], axis=1)
    binary, thresholds = zip(*((each.binary, each.threshold) for each in found.values()), strict=True)
    return LabelTable(by, keys, tuple(found), values, binary, left_out, thresholds)


# Which image a row is of


def key_of(name: str) -> str:
    """Return a name as keys have it, whoever wrote it: with slashes between folders, and nothing around it that is easily lost."""
    return str(PurePosixPath(name.replace("\\", "/").strip()))


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _key(names: tuple[str, ...], wanted: str | None, path: str | Path) -> int:
    """The position of the key among the columns."""
    if wanted is not None:
        if wanted not in names:
            raise UserError(f"{path} has no column {wanted!r}; it has {', '.join(names)}.")
        return names.index(wanted)
    plain = [_plain(name) for name in names]
    found = next((key for key in KEYS if key in plain), None)
    if found is None:
        raise UserError(
            f"{path} does not say which image a row is of: it has the columns {', '.join(names)}.\n"
            f"Expected {SAMPLE_ID}, or a file name in one of {', '.join(FILES)}; or name the column, as in +key={names[0]}."
        )
    if plain.count(found) > 1:
        raise UserError(f"{path} has {plain.count(found)} columns called {found}: expected one. Rename the others.")
    return plain.index(found)


def _keys(columns: Columns, where: int, by: str, path: str | Path) -> tuple[str, ...] | tuple[int, ...]:
    name = columns.names[where]
    texts = _texts(columns.cells[where])
    if texts is None:
        raise UserError(f"{path}: {name} holds {columns.cells[where].type}; expected names or numbers of images.")
    _refuse_rows(path, (not text for text in texts), f"{name} is missing")
    if by == "sample_id":
        _refuse_rows(path, (not text.isdecimal() for text in texts), f"{name} is no whole number", texts)
    keys: list[Any] = [int(text) if by == SAMPLE_ID else key_of(text) for text in texts]
    first: dict[Any, int] = {}
    for row, each in enumerate(keys, 1):
        if first.setdefault(each, row) != row:
            raise UserError(
                f"{path}: rows {first[each]} and {row} are both of {each!r}; expected a row an image, with a column an attribute."
            )
    return tuple(keys)


def _texts(cells: pa.ChunkedArray) -> list[str] | None:
    """Cells as text, "" where there is nothing; None where they are neither text nor whole numbers."""
    if pa.types.is_floating(cells.type):
        values = cells.to_numpy().astype(np.float64)
        if not np.array_equal(values, np.round(values), equal_nan=True):
            return None
        return ["" if np.isnan(value) else str(int(value)) for value in values]
    if not (pa.types.is_integer(cells.type) or _is_text(cells.type)):
        return None
    return ["" if cell is None else str(cell).strip() for cell in cells.to_pylist()]


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


# Attributes


def _add(found: dict[str, _Column], name: str, column: _Column, path: str | Path) -> None:
    try:
        fitting = fit(name.strip())
    except UserError as error:
        raise UserError(
            f"{path}: no attribute can be called {name!r}. Rename the column, in letters and digits."
        ) from error
    if fitting in found:
        raise UserError(f"{path} has two columns that would both be called {fitting}. Rename or remove one of them.")
    found[fitting] = column


def _numbers(name: str, cells: pa.ChunkedArray, path: str | Path) -> _Column | str:
    """An attribute, or why a column is none. Raises UserError for numbers among which some cells are none."""
    if _is_text(cells.type):
        values, unread = _of_texts(cells)
        if unread.sum() * 2 >= len(cells) - np.isnan(values[~unread]).sum() and unread.any():
            return f"it holds text, such as {cells[int(np.argmax(unread))].as_py()!r}"
        texts = cells.to_pylist() if unread.any() else []
        _refuse_rows(path, unread, f"{name} is no number", texts)
    elif pa.types.is_boolean(cells.type) or pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type):
        values = cells.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
    elif pa.types.is_decimal(cells.type):
        values = cells.cast(pa.float64()).to_numpy().astype(np.float64)
    else:
        return f"it holds {cells.type}, and no numbers"
    there = values[~np.isnan(values)]
    if not len(there):
        return "no row has a value of it"
    _refuse_rows(path, np.abs(values) > _LARGEST, f"{name} is infinite, or beyond float32,")
    of_signs = np.isin(there, (-1, 1)).all()
    binary = bool(of_signs or np.isin(there, (0, 1)).all())
    return _Column(np.where(values == -1, 0, values) if of_signs else values, binary)


def _of_texts(cells: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (n,) of cells of text, NaN where there is none, and where there is something else (n,)."""
    encoded = pc.utf8_trim_whitespace(cells).combine_chunks().dictionary_encode()
    read = [_number(text.casefold()) for text in encoded.dictionary.to_pylist()] or [np.nan]
    numbers = np.array([np.nan if each is None else each for each in read])
    at = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
    null = encoded.is_null().to_numpy(zero_copy_only=False)
    unread = np.array([each is None for each in read])
    return np.where(null, np.nan, numbers[at]), ~null & unread[at]


def _number(text: str) -> float | None:
    """The number that a cell says, NaN where it says nothing, and None where it says something else."""
    if text in _MISSING:
        return np.nan
    try:
        return _WORDS[text] if text in _WORDS else float(text)
    except ValueError:
        return None


def _refuse_rows(path: str | Path, wrong: Iterable[bool], what: str, cells: list[str] | None = None) -> None:
    """Raise UserError, which lists the first rows that are wrong, where any is."""
    rows = [row for row, each in enumerate(wrong, 1) if each]
    if not rows:
        return
    shown = [f"{row} ({cells[row - 1]!r})" if cells else str(row) for row in rows[:5]]
    more = f" and {len(rows) - 5:,} more" if len(rows) > 5 else ""
    raise UserError(
        f"{path}: {what} in row{'s'[: len(rows) > 1]} {', '.join(shown)}{more}. Mend or remove what is wrong."
    )
