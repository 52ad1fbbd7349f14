"""The control is drawn at random, and as large as what it is compared with."""

import numpy as np

from pipeline.stages.random_directions import random_direction


def test_a_random_direction_has_the_norms_asked_for_at_every_step():
    norms = np.array([1.0, 5.0, 0.25])
    v = random_direction(norms, (3, 4, 5, 5), (0, 1))
    np.testing.assert_allclose(np.linalg.norm(v.reshape(3, -1), axis=1), norms, rtol=1e-5)


def test_random_directions_have_nothing_in_common():
    v, w = (random_direction(np.ones(2), (2, 16, 8, 8), (0, i)).ravel() for i in (0, 1))
    assert abs(v @ w) / (np.linalg.norm(v) * np.linalg.norm(w)) < 0.1  # 2,048 numbers: chance is 0.022
    assert np.array_equal(v, random_direction(np.ones(2), (2, 16, 8, 8), (0, 0)).ravel())


def test_the_control_has_the_median_norm_of_the_directions(flow, store):
    [evaluation] = flow.catalog.evaluations
    control = evaluation.edit.finders[-1]
    found = [row["norm_by_step"] for each in flow.catalog.finders for row in rows(store, each)]
    for row in rows(store, control):
        assert row["method"] == "random" and row["name"] in control.names
        np.testing.assert_allclose(row["norm_by_step"], np.median(found, axis=0), rtol=1e-5)


def rows(store, stage) -> list[dict]:
    return store.table(stage, "directions.parquet").to_pylist()
