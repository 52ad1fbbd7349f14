"""Activations: h_t of every sample at every step. One row a (sample, step), one row group a step.

h is the little-endian float16 bytes of an array in C order; its shape (C, H, W) is in the schema's metadata, so a file
explains itself. A step is read alone, by its row group, whatever the number of steps.

A row has a checksum of itself, which anybody can verify and which stays right when rows are copied elsewhere:

    crc32 == zlib.crc32(h, zlib.crc32(struct.pack("<qii", sample_id, step, timestep)))

Parquet's own checksums, of pages, are not used here: Arrow computes them several times more slowly than it reads and writes h.

Shapes: B rows of one step, D = C*H*W.
"""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

try:
    from isal.isal_zlib import crc32  # at the speed of memory
except ImportError:
    from zlib import crc32  # the same numbers

H_DTYPE = np.dtype("<f2")
H_MAX = float(np.finfo(H_DTYPE).max)  # 65,504: what float16 can hold

_KEY = np.dtype([("sample_id", "<i8"), ("step", "<i4"), ("timestep", "<i4")])
_CHUNK = 2**21  # bytes of h that are written, read and verified at a time: they stay in the processor's cache meanwhile


def activations_schema(shape: tuple[int, ...]) -> pa.Schema:
    """The schema for h of this shape."""
    width = int(np.prod(shape)) * H_DTYPE.itemsize
    return pa.schema(
        [
            pa.field("sample_id", pa.int64(), nullable=False),
            pa.field("step", pa.int32(), nullable=False),  # 0 is the noisiest
            pa.field("timestep", pa.int32(), nullable=False),  # what the scheduler yields, 999..0
            pa.field("h", pa.binary(width), nullable=False),
            pa.field("crc32", pa.uint32(), nullable=False),  # of the four before
        ],
        metadata={"h": json.dumps({"shape": list(shape), "dtype": "float16"})},
    )


def h_shape(schema: pa.Schema) -> tuple[int, ...]:
    """The shape (C, H, W) that a file of activations declares."""
    return tuple(json.loads(schema.metadata[b"h"])["shape"])


def rows_at_a_time(schema: pa.Schema) -> int:
    """How many rows of this schema make a page, or a batch to read: about a megabyte."""
    return max(1, _CHUNK // max(1, schema.field("h").type.byte_width))


def step_table(sample_ids: Sequence[int], step: int, timestep: int, h: np.ndarray, schema: pa.Schema) -> pa.Table:
    """One step of B samples, h (B, C, H, W) of any float type, as a table: one row group.

    Raises ValueError where float16 cannot hold a value.
    """
    key = np.empty(len(sample_ids), _KEY)
    key["sample_id"], key["step"], key["timestep"] = sample_ids, step, timestep
    rows = h_rows(h)
    columns = [*(np.ascontiguousarray(key[name]) for name in key.dtype.names or ()), _column(rows), _crc32(key, rows)]
    return pa.table(columns, schema=schema)


def h_rows(h: np.ndarray) -> np.ndarray:
    """h as it is stored: (B, C, H, W) of any float type -> (B, D) float16.

    Raises ValueError where float16 cannot hold a value: an activation that has overflowed is not data.
    """
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(h.reshape(len(h), -1), dtype=H_DTYPE)
    # As integers, positive and negative ones are in the order of |h|, infinity and NaN on top: many times faster than isfinite.
    if rows.view("<i2").max(initial=0) >= 0x7C00 or rows.view("<u2").max(initial=0) >= 0xFC00:
        largest = np.abs(h).max()
        raise ValueError(f"h has |value| up to {largest}; float16 holds up to {H_MAX:.0f}. Sample in float32.")
    return rows


def h_column(h: np.ndarray) -> pa.Array:
    """(B, C, H, W) of any float type -> a column of fixed-size binary float16. Raises ValueError as `h_rows` does."""
    return _column(h_rows(h))


def h_array(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """The column back as (rows, D) float16."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    arrays = []
    for chunk in chunks:
        width = chunk.type.byte_width
        flat = np.frombuffer(
            chunk.buffers()[1], dtype=H_DTYPE, offset=chunk.offset * width, count=len(chunk) * width // 2
        )
        arrays.append(flat.reshape(len(chunk), width // 2))
    return np.concatenate(arrays) if len(arrays) != 1 else arrays[0]


def verified(rows: pa.RecordBatch, sample_ids: Sequence[int], step: int) -> np.ndarray:
    """h (B, D) of these samples at this step, without a copy. Raises OSError where the rows are others, or not as they were written."""
    key = np.empty(rows.num_rows, _KEY)
    for name in key.dtype.names or ():
        key[name] = rows[name]
    h = h_array(rows["h"])
    if not np.array_equal(key["sample_id"], sample_ids) or (key["step"] != step).any():
        raise OSError(f"rows of other samples or steps stand where those of step {step} should be")
    bad = _crc32(key, h) != rows["crc32"].to_numpy()
    if bad.any():
        raise OSError(f"the checksum of sample {key['sample_id'][bad.argmax()]} at step {step} is wrong")
    return h


def _column(rows: np.ndarray) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(rows.shape[1] * 2), len(rows), [None, pa.py_buffer(rows)])


def _crc32(key: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The checksum of every row: (B,) uint32."""
    pairs = zip(key.view(np.uint8).reshape(-1, _KEY.itemsize), rows.view(np.uint8), strict=True)
    return np.array([crc32(h, crc32(about)) for about, h in pairs], np.uint32)
