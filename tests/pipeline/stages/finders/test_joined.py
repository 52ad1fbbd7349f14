"""Directions of one attribute at several capture points, as one."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.stages.finders.joined import Joined, joined
from pipeline.stages.sources.activations import read_step


def test_parts_are_as_long_as_their_spreads_at_each_step_and_together_as_they_were():
    vectors = [np.random.default_rng(i).standard_normal((3, *shape)) for i, shape in enumerate([(2, 4, 4), (3, 2, 2)])]
    spreads = [np.array([1.0, 2.0, 4.0]), np.array([3.0, 3.0, 1.0])]
    one = joined(vectors, spreads)
    assert one.shape == (3, 32 + 12)
    parts = one[:, :32], one[:, 32:]
    lengths = [np.linalg.norm(part, axis=1) for part in parts]
    np.testing.assert_allclose(lengths[0] / lengths[1], spreads[0] / spreads[1], rtol=1e-6)
    assert np.linalg.norm(one) == pytest.approx(np.sqrt(sum(np.square(v).sum() for v in vectors)), rel=1e-6)
    for v, part in zip(vectors, parts, strict=True):
        flat = v.reshape(3, -1)
        cosines = (flat * part).sum(axis=1) / np.linalg.norm(flat, axis=1) / np.linalg.norm(part, axis=1)
        np.testing.assert_allclose(cosines, 1, rtol=1e-6)


def test_it_is_one_direction_at_both_points(places, made_of):
    both = places.both
    store = made_of(both)
    row, *_ = store.table(both, "directions.parquet").to_pylist()
    assert both.names[0] == row["name"] == "smile/mean-difference" and row["capture"] == "mid_block+up_blocks.0"
    mid, up = both.finders
    assert (mid.names[0], up.names[0]) == ("smile/mean-difference@mid_block", "smile/mean-difference@up_blocks.0")
    vector = store.vectors(both)[row["name"]]
    parts = {mid: vector[:, :1024], up: vector[:, 1024:]}
    for finder, part in parts.items():
        own = store.vectors(finder)[finder.names[0]].reshape(3, -1)
        np.testing.assert_allclose(unit(own), unit(part), atol=1e-5)
    lengths = [
        np.linalg.norm(part[1]) / spread(read_step(store, finder.source, 1)[1]) for finder, part in parts.items()
    ]
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-4)


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def spread(h: np.ndarray) -> float:
    return np.sqrt(h.var(axis=0, dtype=np.float64).sum())


def test_directions_of_other_attributes_or_methods_are_not_joined(places):
    mid, up = places.both.finders
    for other in (replace(up, attributes=("smile", "age")), places.up):
        with pytest.raises(UserError, match="joined of one method and of the same attributes"):
            Joined((mid, other), places.both.scale).check()
