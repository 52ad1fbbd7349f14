"""The control is drawn at random, and as large as what it is compared with."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.stages.finders.random_directions import RandomDirections, random_direction


def test_a_random_direction_has_the_norms_asked_for_at_every_step():
    norms = np.array([1.0, 5.0, 0.25])
    v = random_direction(norms, (3, 4, 5, 5), (0, 1))
    np.testing.assert_allclose(np.linalg.norm(v.reshape(3, -1), axis=1), norms, rtol=1e-5)


def test_random_directions_have_nothing_in_common():
    v, w = (random_direction(np.ones(2), (2, 16, 8, 8), (0, i)).ravel() for i in (0, 1))
    assert abs(v @ w) / (np.linalg.norm(v) * np.linalg.norm(w)) < 0.1  # 2,048 numbers: chance is 0.022
    assert np.array_equal(v, random_direction(np.ones(2), (2, 16, 8, 8), (0, 0)).ravel())


@pytest.fixture(scope="module")
def compared(finders) -> tuple[Stage, ...]:
    """Finders of directions of several lengths."""
    return finders.difference, finders.components


@pytest.fixture(scope="module")
def store(compared, made_of) -> Store:
    return made_of(*compared)


def test_the_control_has_the_median_norm_of_the_directions(sources, compared, made_of):
    control = RandomDirections(sources.sample, compared, 2)
    store = made_of(control)
    found = [row["norm_by_step"] for each in compared for row in rows(store, each)]
    for row in rows(store, control):
        assert row["method"] == "random" and row["name"] in control.names
        np.testing.assert_allclose(row["norm_by_step"], np.median(found, axis=0), rtol=1e-5)


def test_the_control_may_be_as_long_as_the_longest_direction(sources, compared, store, tmp_path):
    longest = max((row for each in compared for row in rows(store, each)), key=lambda row: row["norm"])
    control = RandomDirections(sources.sample, compared, 2, norms="largest")
    control.process(0, store, None, tmp_path)
    drawn = pq.read_table(tmp_path / "directions.parquet").to_pylist()
    for row in drawn:
        np.testing.assert_allclose(row["norm_by_step"], longest["norm_by_step"], rtol=1e-5)
    assert [row["name"] for row in drawn] == list(control.names)


def test_two_controls_share_no_draw(sources, compared, store, tmp_path):
    made = []
    for norms in ("median", "largest"):
        control = RandomDirections(sources.sample, compared, 1, norms=norms)
        (tmp_path / norms).mkdir()
        control.process(0, store, None, tmp_path / norms)
        made.append(load_file(tmp_path / norms / "directions.safetensors")[control.names[0]].ravel())
    v, w = made
    assert abs(v @ w) / np.linalg.norm(v) / np.linalg.norm(w) < 0.2


def rows(store, stage) -> list[dict]:
    return store.table(stage, "directions.parquet").to_pylist()
