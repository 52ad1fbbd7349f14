"""What the benchmark of linear classifiers computes; its timings are its own."""

import numpy as np
import pytest

from benchmarks.linear import (
    FOLDS,
    Size,
    by_sklearn,
    cosines,
    in_components,
    in_the_span,
    mean_auc,
    planted,
    standardised,
)
from pipeline.estimators.selection import folds

TINY = Size(n=320, D=600, A=4, rounds=1)


@pytest.fixture(scope="module")
def data():
    return planted(TINY)


def test_both_contenders_find_the_same_direction_with_the_same_regulariser(data):
    h, labels = data
    ours = in_the_span(h, labels)
    X, std = standardised(h)
    for a in range(TINY.A):
        coefficients, C = by_sklearn(X, labels[:, a], folds(range(TINY.n), FOLDS))
        assert ours.C[a] == C
        assert cosines(ours.directions[a : a + 1], coefficients[None] / std)[0] > 0.9999


def test_planted_attributes_correlate_and_can_be_told(data):
    h, labels = data
    assert h.dtype == np.float16 and h.shape == (320, 600)
    assert set(labels.ravel()) == {0, 1}
    between = np.corrcoef(labels.T)[np.triu_indices(4, 1)]
    assert 0.1 < between.mean() < 0.5
    assert mean_auc(labels, in_the_span(h, labels).held_out) > 0.6


def test_components_make_directions_of_the_same_shape_that_are_not_the_same(data):
    h, labels = data
    exact, kept = in_the_span(h, labels), in_components(h, labels)
    assert kept.directions.shape == exact.directions.shape and kept.held_out.shape == exact.held_out.shape
    assert 0.2 < cosines(kept.directions, exact.directions).mean() < 0.9999


def test_cosines_are_of_rows():
    a = np.array([[1.0, 0], [3, 4]], np.float32)
    assert cosines(a, np.array([[2.0, 0], [-4, 3]])) == pytest.approx([1, 0])
