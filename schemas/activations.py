"""Activations: h_t of every sample at every step. One row a (sample, step), one row group a step.

h is the little-endian float16 bytes of an array in C order; its shape (C, H, W) is in the schema's metadata, so a file
explains itself. A step is read alone, by its row group, whatever the number of steps.

Shapes: B rows of one step, D = C*H*W.
"""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from schemas.columns import column

H_DTYPE = np.dtype("<f2")
H_MAX = float(np.finfo(H_DTYPE).max)  # 65,504: what float16 can hold


def activations_schema(shape: tuple[int, ...]) -> pa.Schema:
    """The schema for h of this shape."""
    width = int(np.prod(shape)) * H_DTYPE.itemsize
    return pa.schema(
        [
            column("sample_id", pa.int64(), "The sample.", required=True),
            column("step", pa.int32(), "The step of the reverse process, 0 the noisiest.", required=True),
            column("timestep", pa.int32(), "What the scheduler yields at that step, from 999 to 0.", required=True),
            column("h", pa.binary(width), "The bottleneck's activation: float16 bytes in C order.", required=True),
        ],
        metadata={"h": json.dumps({"shape": list(shape), "dtype": "float16"})},
    )


def step_table(sample_ids: Sequence[int], step: int, timestep: int, h: np.ndarray, schema: pa.Schema) -> pa.Table:
    """One step of B samples, h (B, C, H, W) of any float type, as a table: one row group.

    Raises ValueError where float16 cannot hold a value.
    """
    constant = [np.full(len(sample_ids), number, np.int32) for number in (step, timestep)]
    return pa.table([np.array(sample_ids), *constant, h_column(h)], schema=schema)


def h_rows(h: np.ndarray) -> np.ndarray:
    """h as it is stored: (B, C, H, W) of any float type -> (B, D) float16. What is float16 already is not copied.

    Raises ValueError where float16 cannot hold a value: an activation that has overflowed is not data.
    """
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(h.reshape(len(h), -1), dtype=H_DTYPE)
    # As integers, positive and negative ones are in the order of |h|, infinity and NaN on top: many times faster than isfinite.
    if rows.view("<i2").max(initial=0) >= 0x7C00 or rows.view("<u2").max(initial=0) >= 0xFC00:
        raise ValueError(_why_not(h))
    return rows


def _why_not(h: np.ndarray) -> str:
    """Why float16 cannot hold h, and what to do."""
    if np.isnan(h).any():
        return (
            "h holds NaN: the network gives no numbers here, and more precision gives none. Look for NaN in its weights, and for "
            "values in its config.json and scheduler_config.json that it was not trained with."
        )
    return f"h has |value| up to {np.abs(h).max()}; float16 holds up to {H_MAX:.0f}. Sample in float32."


def h_column(h: np.ndarray) -> pa.Array:
    """Return h (B, C, H, W) of any float type as a column of fixed-size binary float16. Raises ValueError as `h_rows` does."""
    rows = h_rows(h)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(rows.shape[1] * 2), len(rows), [None, pa.py_buffer(rows)])
