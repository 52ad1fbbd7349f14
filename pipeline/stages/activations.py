"""How the finders read: one step of the activations of all samples at a time, joined with scores on sample_id."""

from collections.abc import Iterator

import numpy as np

from pipeline.stages.source import Source
from pipeline.store import Store
from schemas.activations import h_array


def read_step(store: Store, sample: Source, step: int) -> tuple[np.ndarray, np.ndarray]:
    """sample_id (n,) and h (n, D) float32 of all samples at one step, in the order of the parts."""
    ids, rows = [], []
    for part in range(sample.n_parts):
        with store.parquet(sample, "activations.parquet", part) as file:
            table = file.read_row_group(step, columns=["sample_id", "h"])
        ids.append(table["sample_id"].to_numpy())
        rows.append(h_array(table["h"]).astype(np.float32))
    return np.concatenate(ids), np.concatenate(rows)


def read_steps(store: Store, sample: Source) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`read_step` for step 0, 1, ... T-1: memory holds one step at a time."""
    for step in range(sample.steps):
        yield read_step(store, sample, step)
