"""Orientation: unsupervised directions are published so that strengths above 0 raise what they are named after.

A component or a singular vector has no sign of its own. It is turned round where it is published, with all that is told by its
strengths: the vector, and the rows of each table.
"""

from collections.abc import Collection
from typing import Any

import pyarrow as pa

SIGNED = ("strength", "strength_per_sd", "nearest_cosine")  # columns whose sign is that of the direction


def turned(table: pa.Table, names: Collection[str], of: str = "direction") -> pa.Table:
    """Return a table with the rows of the directions `names` as they are with these turned round; `of` is the column of names.

    What a direction did at a strength it does, turned round, at minus that strength. A strength keeps its index.
    """
    there = [name in names for name in table[of].to_pylist()]
    if not any(there):
        return table
    for column in SIGNED:
        table = _changed(table, column, there, lambda value: 0.0 - value)
    table = _changed(table, "nearest_cosine_by_step", there, lambda values: [0.0 - value for value in values])
    if "valid_low" in table.schema.names:
        low, high = table["valid_low"], table["valid_high"]
        lowest, highest = (
            _negated(each.to_pylist(), there, own.to_pylist()) for each, own in ((high, low), (low, high))
        )
        for column, values in (("valid_low", lowest), ("valid_high", highest)):
            table = _set(table, column, values)
    return table


def _negated(values: list[Any], there: list[bool], otherwise: list[Any]) -> list[Any]:
    return [
        (None if value is None else 0.0 - value) if turn else own
        for value, turn, own in zip(values, there, otherwise, strict=True)
    ]


def _changed(table: pa.Table, column: str, there: list[bool], change: Any) -> pa.Table:
    """The table with the values of a column changed in some rows; as it is where it has no such column."""
    if column not in table.schema.names:
        return table
    values = table[column].to_pylist()
    return _set(
        table,
        column,
        [change(value) if turn and value is not None else value for value, turn in zip(values, there, strict=True)],
    )


def _set(table: pa.Table, column: str, values: list[Any]) -> pa.Table:
    place, field = table.schema.get_field_index(column), table.schema.field(column)
    return table.set_column(place, field, pa.array(values, field.type))
