"""How the fits read h: one step at a time, of all parts or of some, verified as it is read, joined with scores on sample_id.

A step of a part is one row group of its file: the bytes of other steps are not touched.

Shapes: n samples, D = C*H*W.
"""

from collections.abc import Iterator
from math import prod

import numpy as np
import pyarrow as pa

from pipeline.engine.store import Store
from pipeline.hspace.capture import singles
from pipeline.stages.sources.source import Source
from schemas.activations import H_DTYPE, activations_schema, h_columns

Rows = tuple[np.ndarray, np.ndarray]  # sample_id (n,) int64, h (n, D) float16

YARDSTICK = 512  # samples, about, whose h says how long a standard deviation is


def yardstick(source: Source) -> range:
    """The parts whose h says how long a standard deviation of h is."""
    return range(min(source.n_parts, -(-YARDSTICK // source.batch)))


def read_step(store: Store, source: Source, step: int) -> Rows:
    """sample_id (n,) and h (n, D) float16 of all samples at one step, in the order of the parts.

    Raises UserError where a part is damaged: it says which, and how to have it made again.
    """
    ids = np.concatenate([source.sample_ids(part) for part in range(source.n_parts)])
    h = _empty(source, len(ids))
    first = 0
    for part in range(source.n_parts):
        last = first + len(source.sample_ids(part))
        _read_into(h[first:last], store, source, step, part)
        first = last
    return ids, h


def read_parts(store: Store, source: Source, step: int, parts: range) -> Iterator[Rows]:
    """`read_step` for these parts, one after the other: memory holds a part, and the next one while it is read."""
    for part in parts:
        ids = np.array(source.sample_ids(part))
        h = _empty(source, len(ids))
        _read_into(h, store, source, step, part)
        yield ids, h


def read_steps(store: Store, source: Source) -> Iterator[Rows]:
    """`read_step` for step 0, 1, ... T-1: memory holds one step at a time."""
    for step in range(source.steps):
        yield read_step(store, source, step)


def _read_into(h: np.ndarray, store: Store, source: Source, step: int, part: int) -> None:
    """One step of a part into h (rows, D); of one capture point without another copy of it."""
    schema, ids = _schema(source), source.sample_ids(part)
    wanted = singles(source.at)
    first = 0
    for column in wanted if len(source.shapes) > 1 else h_columns(schema):
        last = first + _width(schema, column)
        into = h if len(wanted) == 1 else np.empty((len(h), last - first), H_DTYPE)
        with store.group(source, "activations.parquet", part, schema, step, into, column) as rows:
            if not np.array_equal(rows["sample_id"], ids) or set(rows["step"].to_pylist()) != {step}:
                raise OSError(f"row group {step} has other samples or another step")
        if into is not h:
            h[:, first:last] = into
        first = last


def _empty(source: Source, n: int) -> np.ndarray:
    return np.empty((n, prod(source.h_shape)), H_DTYPE)


def _width(schema: pa.Schema, column: str) -> int:
    return schema.field(column).type.byte_width // H_DTYPE.itemsize


def _schema(source: Source) -> pa.Schema:
    """What the files must declare."""
    return activations_schema(source.shapes)
