"""What stages read of each other's parts, once its rows are known to be those of the part.

The store vouches for bytes: what is read is what was written. Whether that is of the part whose name it has (every sample once, no
step in the place of another), the stage that made it says in `fault`, as far as it knows before. All tables, and all arrays, that
one stage reads of another come through here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.engine.stage import Stage
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError

Arrays = dict[str, np.ndarray]
Column = Sequence[Any] | np.ndarray


def table(store: Store, stage: Stage, name: str, part: Part | None = None, **options: Any) -> pa.Table:
    """Return a Parquet file of one part, or of all parts in order, as one table. Raises UserError for rows of anything else."""
    parts: Sequence[Part] = range(stage.n_parts) if part is None else [part]
    tables = [(each, store.table(stage, name, each, **options)) for each in parts]
    for each, read in tables:
        check(store, stage, name, each, read)
    return pa.concat_tables([read for _, read in tables])


def arrays(store: Store, stage: Stage, name: str, part: Part = 0) -> Arrays:
    """Return the arrays of a safetensors file. Raises UserError for those of anything else than the part."""
    read = store.vectors(stage, name, part)
    check(store, stage, name, part, read)
    return read


def check(store: Store, stage: Stage, name: str, part: Part, read: pa.Table | Arrays) -> None:
    """Raise UserError where what was read of a part's file is not of that part."""
    if why := stage.fault(name, part, read, store):
        raise other(store, stage, name, part, why)


def other(store: Store, stage: Stage, name: str, part: Part, why: str) -> UserError:
    """The error for a file that is not what its part must have."""
    folder = store.location(stage, part)
    record = f"{folder.rpartition('/')[0]}/{part if isinstance(part, str) else stage.part_name(part)}.json"
    return UserError(
        f"{folder}/{name} is whole, and not what its part must have: {why}.\n"
        f"Delete {record} and run the same command: the part is made again."
    )


def unlike(read: pa.Table | Arrays, **expected: Column) -> str | None:
    """Return how columns differ from those that are expected, row by row; None where they do not.

    Of the expected columns, all as long as each other, those count that were read.
    """
    found = _read(read, expected)
    if not found or all(np.array_equal(each, np.asarray(expected[name])) for name, each in found.items()):
        return None
    rows, wanted = _rows(found, found), _rows(expected, found)
    if len(rows) != len(wanted):
        return _counted(rows, wanted, list(found))
    at = next(i for i, (one, another) in enumerate(zip(rows, wanted, strict=True)) if one != another)
    return f"row {at} is of {_said(list(found), rows[at])}, where {_said(list(found), wanted[at])} is expected"


def unlike_in_any_order(read: pa.Table | Arrays, **expected: Column) -> str | None:
    """Return which rows are lost or too many, whatever their order; None where they are those that are expected."""
    found = _read(read, expected)
    return _counted(_rows(found, found), _rows(expected, found), list(found))


def columns(rows: Iterable[Sequence[Any]], *names: str) -> dict[str, Column]:
    """Turn rows into columns of these names."""
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _read(read: pa.Table | Arrays, expected: Mapping[str, Column]) -> Arrays:
    """Of the expected columns those that were read."""
    names = read.column_names if isinstance(read, pa.Table) else read.keys()
    return {name: _values(read[name]) for name in expected if name in names}


def _rows(columns: Mapping[str, Column], names: Iterable[str]) -> list[Any]:
    return list(zip(*(columns[name] for name in names), strict=True))


def _values(column: Any) -> np.ndarray:
    return np.atleast_1d(column.to_numpy() if isinstance(column, pa.ChunkedArray) else column)


def _counted(rows: list[Any], wanted: list[Any], columns: Sequence[str]) -> str | None:
    """Which rows there are too few or too many of, whatever their order."""
    lost, more = Counter(wanted) - Counter(rows), Counter(rows) - Counter(wanted)
    if not lost and not more:
        return None
    told = [
        f"{what} {_said(columns, next(iter(of)))}" for what, of in (("without", lost), ("one too many is", more)) if of
    ]
    return f"it has {len(rows):,} rows of {len(wanted):,}; {', '.join(told)}"


def _said(columns: Sequence[str], row: Sequence[Any]) -> str:
    return ", ".join(f"{column} {value}" for column, value in zip(columns, row, strict=True))
