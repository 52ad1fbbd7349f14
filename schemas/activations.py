"""Activations: h_t of every sample at every step. One row a (sample, step), one row group a step.

h is the little-endian float16 bytes of an array in C order; its shape, mostly (C, H, W), is in the schema's metadata, so a file
explains itself. Of several capture points each has a column of its own, by its name. A step is read alone, by its row group,
whatever the number of steps, and a point by its column.

Shapes: B rows of one step, D numbers of h at one point.
"""

import json
from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
import pyarrow as pa

from schemas.columns import column

H_DTYPE = np.dtype("<f2")
H_NORMAL = 0x0400  # the least float16, as an integer, that has all its digits: 6.1e-5
H_MAX = float(np.finfo(H_DTYPE).max)  # 65,504: what float16 can hold


def activations_schema(shapes: tuple[int, ...] | Mapping[str, tuple[int, ...]]) -> pa.Schema:
    """The schema for h of this shape; or of these, by capture point."""
    named = shapes if isinstance(shapes, Mapping) else {"h": shapes}
    columns = {"h": next(iter(named.values()))} if len(named) == 1 else named
    said = {name: json.dumps({"shape": list(shape), "dtype": "float16"}) for name, shape in columns.items()}
    return pa.schema(
        [
            column("sample_id", pa.int64(), "The sample.", required=True),
            column("step", pa.int32(), "The step of the reverse process, 0 the noisiest.", required=True),
            column("timestep", pa.int32(), "What the scheduler yields at that step, from 999 to 0.", required=True),
            *(
                column(
                    name,
                    pa.binary(prod(shape) * H_DTYPE.itemsize),
                    "The bottleneck's activation: float16 bytes in C order."
                    if name == "h"
                    else f"The activation at {name}: float16 bytes in C order.",
                    required=True,
                )
                for name, shape in columns.items()
            ),
        ],
        metadata=said,
    )


def h_columns(schema: pa.Schema) -> list[str]:
    """The columns of a schema that hold h: one a capture point."""
    return schema.names[3:]


def step_table(sample_ids: Sequence[int], step: int, timestep: int, h: np.ndarray, schema: pa.Schema) -> pa.Table:
    """One step of B samples, h (B, ...) of any float type, of several points (B, D of all), as a table: one row group.

    Raises ValueError where float16 cannot hold a value.
    """
    constant = [np.full(len(sample_ids), number, np.int32) for number in (step, timestep)]
    widths = [schema.field(name).type.byte_width // H_DTYPE.itemsize for name in h_columns(schema)]
    each = [h] if len(widths) == 1 else np.split(h, np.cumsum(widths)[:-1], axis=1)
    columns = [_named_column(name, one) for name, one in zip(h_columns(schema), each, strict=True)]
    return pa.table([np.array(sample_ids), *constant, *columns], schema=schema)


def _named_column(name: str, h: np.ndarray) -> pa.Array:
    """h of one point as its column. Raises ValueError that says which it is, where there are several."""
    try:
        return h_column(h)
    except ValueError as error:
        raise ValueError(str(error) if name == "h" else f"{name}: {error}") from error


def h_rows(h: np.ndarray) -> np.ndarray:
    """h as it is stored: (B, ...) of any float type -> (B, D) float16. What is float16 already is not copied.

    Raises ValueError where float16 cannot hold a value: an activation that has overflowed is not data. Neither is one where all
    of them are so small that float16 has few digits left, but for zeros.
    """
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(h.reshape(len(h), -1), dtype=H_DTYPE)
    # As integers, positive and negative ones are in the order of |h|, infinity and NaN on top: many times faster than isfinite.
    positive, any_sign = rows.view("<i2").max(initial=0), rows.view("<u2").max(initial=0)
    if positive >= 0x7C00 or any_sign >= 0xFC00:
        raise ValueError(_why_not(h))
    if positive < H_NORMAL and any_sign < 0x8000 + H_NORMAL and h.any():
        raise ValueError(_too_small(h))
    return rows


def _why_not(h: np.ndarray) -> str:
    """Why float16 cannot hold h, and what to do."""
    if np.isnan(h).any():
        return (
            "h holds NaN: the network gives no numbers here, and more precision gives none. Look for NaN in its weights, and for "
            "values in its config.json and scheduler_config.json that it was not trained with."
        )
    return (
        f"h has |value| up to {np.abs(h).max():.6g}, and is stored as float16, which holds up to {H_MAX:.0f}. "
        "Sample in float32 (`dtype`) if you did in less: it may have overflowed there.\nIf not, capture h at another point "
        "(`capture`), such as behind a norm, or the input of one."
    )


def _too_small(h: np.ndarray) -> str:
    """Why float16 cannot tell the values of h apart, and what to do."""
    return (
        f"h has |value| of {np.abs(h).max():.3g} at most, and is stored as float16, which has fewer and fewer digits below 6.1e-5 "
        "and none below 6e-8.\nCapture h at another point (`capture`)."
    )


def h_column(h: np.ndarray) -> pa.Array:
    """Return h (B, ...) of any float type as a column of fixed-size binary float16. Raises ValueError as `h_rows` does."""
    rows = h_rows(h)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(rows.shape[1] * 2), len(rows), [None, pa.py_buffer(rows)])
