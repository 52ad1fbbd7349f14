"""What every table's schema is written with: columns that say what they mean, and tables that are checked against them.

The meaning and the unit of a column are in its field's own metadata, so that a Parquet file explains itself:
`pyarrow.parquet.read_schema("effects.parquet").field("effect").metadata`.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

MEANING, UNIT, THRESHOLD = b"meaning", b"unit", b"threshold"


def column(name: str, type: pa.DataType, meaning: str, unit: str = "", required: bool = False) -> pa.Field:
    """Return a field that says what it holds and in what unit. Unless it is required, it may be null, or missing from a row."""
    metadata = {MEANING: meaning, UNIT: unit} if unit else {MEANING: meaning}
    return pa.field(name, type, nullable=not required, metadata=metadata)


def scores_column(name: str, meaning: str, unit: str, threshold: float) -> pa.Field:
    """Return a field of scores, which says above which one something is present; NaN is not known."""
    field = column(name, pa.float32(), meaning, unit)
    return field if math.isnan(threshold) else field.with_metadata({**field.metadata, THRESHOLD: repr(threshold)})


def threshold_of(metadata: Mapping[bytes, bytes]) -> float:
    """Return what a field's metadata says of the border between absent and present; NaN where it says nothing that is a number."""
    try:
        return float(metadata.get(THRESHOLD, b"nan"))
    except ValueError:
        return math.nan


def meaning_of(field: pa.Field) -> str:
    """Return what a column holds, in words."""
    return _said(field, MEANING)


def unit_of(field: pa.Field) -> str:
    """Return the unit of a column; "" where it has none."""
    return _said(field, UNIT)


def table_of(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return a table of these rows.

    Raises ValueError with the names for a row that has a column that the schema does not have, as a misspelt one is, or that has
    no value in a required one; so for what is inside structs, and lists of them. A column that may be null may also be missing.
    """
    rows = list(rows)
    for i, row in enumerate(rows):
        _check_row(f"Row {i}", row, list(schema))
    return pa.Table.from_pylist(rows, schema=schema)


def table_of_frame(frame: Any, schema: pa.Schema) -> pa.Table:
    """Return a pandas DataFrame as a table, without its index; NaN becomes null. Raises ValueError as `table_of` does."""
    _check("The table", frame.columns, {name for name in frame.columns if frame[name].isna().any()}, schema)
    columns = [
        pa.array(frame[field.name], field.type, from_pandas=True)
        if field.name in frame.columns
        else pa.nulls(len(frame), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _check_row(what: str, row: Mapping[str, Any], fields: list[pa.Field]) -> None:
    """A row, or a struct in one, and what is inside it."""
    _check(what, row.keys(), {name for name, value in row.items() if value is None}, pa.schema(fields))
    for field in fields:
        value, kind = row.get(field.name), field.type
        inner = value if pa.types.is_list(kind) else [value]
        kind = kind.value_type if pa.types.is_list(kind) else kind
        if pa.types.is_struct(kind):
            for each in inner or ():
                if each is not None:
                    _check_row(f"{what}, {field.name}", each, [kind.field(k) for k in range(kind.num_fields)])


def _check(what: str, found: Iterable[str], null: set[str], schema: pa.Schema) -> None:
    """`found`: the columns that are there; `null`: those of them without a value somewhere."""
    found = set(found)
    if unknown := sorted(found - set(schema.names)):
        raise ValueError(
            f"{what} has {', '.join(unknown)}, which the schema does not have. Its columns: {', '.join(schema.names)}."
        )
    required = [field.name for field in schema if not field.nullable]
    if lacking := [name for name in required if name not in found or name in null]:
        raise ValueError(f"{what} has no value of {', '.join(lacking)}. Required are {', '.join(required)}.")


def _said(field: pa.Field, key: bytes) -> str:
    return (field.metadata or {}).get(key, b"").decode()
