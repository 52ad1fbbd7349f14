"""Tables and vectors of a catalog's files, read as what a stranger may have written.

A sum says that a file is the one that was published, and not that whoever published it meant well: a file of a kilobyte can declare
more rows than fit into any memory. So what a file declares is looked at before anything is made of it. Nothing here can be pickled.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError

MOST_VALUES = 100_000_000  # of all columns of a table; those of the largest catalog have some hundred thousand


def table(content: bytes, name: str) -> pa.Table:
    """Return the table that a Parquet file holds. Raises UserError for what is none, or declares more than any catalog has."""
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        declared = _declared(file.metadata)
        if declared > MOST_VALUES:
            raise UserError(
                f"{name} declares {declared:,} values in {len(content):,} bytes; expected at most {MOST_VALUES:,}.\n"
                "It is not read. Ask whoever published the catalog for another copy."
            )
        return file.read()
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{name} is no table that can be read ({_first_line(error)}). Copy the catalog again."
        ) from error


def vector(source: Path | bytes, key: str, shape: Sequence[int]) -> np.ndarray:
    """Return one array of a safetensors file, float32 of that shape.

    Raises UserError for a file that is none or has not this array, and for an array of another shape or kind, or with values that
    are no numbers.
    """
    from safetensors import SafetensorError

    try:
        found = _array(source, key, tuple(shape))
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"directions.safetensors has no vector {key!r} that can be read ({_first_line(error)}). Copy the catalog again."
        ) from error
    if not np.isfinite(found).all():
        raise UserError(f"The vector {key!r} has values that are no finite numbers, so it is not used.")
    return found


def _declared(metadata: pq.FileMetaData) -> int:
    """How many values a file says that it has, those inside lists counted."""
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    inside = sum(group.column(j).num_values for group in groups for j in range(group.num_columns))
    return max(inside, metadata.num_rows * metadata.num_columns)


def _array(source: Path | bytes, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array, of whose file nothing else is read where it lies on this machine. Raises ValueError for one of another shape."""
    from safetensors import safe_open
    from safetensors.numpy import load

    if isinstance(source, bytes):
        arrays = load(source)
        if key not in arrays:
            raise ValueError("it has none of this name")
        _check(str(arrays[key].dtype), arrays[key].shape, ("float32", shape))
        return arrays[key]
    with safe_open(source, framework="numpy") as file:
        declared = file.get_slice(key)
        _check(declared.get_dtype(), tuple(declared.get_shape()), ("F32", shape))
        return file.get_tensor(key)


def _check(kind: str, shape: tuple[int, ...], expected: tuple[str, tuple[int, ...]]) -> None:
    if (kind, shape) != expected:
        raise ValueError(f"it is {kind} {list(shape)}; catalog.json says {expected[0]} {list(expected[1])}")


def _first_line(error: Exception) -> str:
    """What an error says, without what would command a terminal: it may quote names of a stranger's."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return "".join(letter if letter.isprintable() else "?" for letter in line)
