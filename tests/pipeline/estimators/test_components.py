"""Exact principal components against the SVD, of one step and of trajectories."""

import numpy as np
import pytest

from pipeline.estimators import dual
from pipeline.estimators.components import components_from_gram, exact_pca
from tests.pipeline.planted_spectrum import K, N, cosines, exact, planted

STRONG = [9, 7, 5, 3.5, 2.5]  # five directions over a weak floor


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_exact_components_are_those_of_the_svd(dtype):
    rows = planted(STRONG, floor=0.2).astype(dtype)
    found = exact_pca(rows, K)
    s, vt = exact(rows)
    assert cosines(found.vectors, vt[:K]).min() > 0.999999
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), s[:K] / np.sqrt(N - 1), rtol=1e-5)
    np.testing.assert_allclose(found.explained_variance_ratio, s[:K] ** 2 / np.sum(s**2), rtol=1e-5)
    assert found.vectors.dtype == np.float32 and found.well_separated.all()
    assert (found.vectors[np.arange(K), np.abs(found.vectors).argmax(axis=1)] > 0).all()

    unit = found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found.scores, (rows - rows.mean(axis=0, dtype=np.float64)) @ unit.T, atol=1e-3)


def test_gram_matrices_of_steps_add_up_to_the_pca_of_the_trajectory():
    steps = [planted(STRONG, floor=0.2), planted([4, 3], floor=0.5, seed=1), planted([6], floor=0.1, seed=2)]
    means = [h_t.mean(axis=0, dtype=np.float64) for h_t in steps]
    weights, ratio = components_from_gram(sum(dual.gram(h_t, mean) for h_t, mean in zip(steps, means, strict=True)), K)
    found = np.concatenate([weights @ (h_t - mean) for h_t, mean in zip(steps, means, strict=True)], axis=1)
    s, vt = exact(np.concatenate(steps, axis=1))
    assert cosines(found, vt[:K]).min() > 0.99999
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), s[:K] / np.sqrt(N - 1), rtol=1e-5)
    np.testing.assert_allclose(ratio, s[:K] ** 2 / np.sum(s**2), rtol=1e-5)
    assert (weights[np.arange(K), np.abs(weights).argmax(axis=1)] > 0).all()


def test_more_exact_components_than_samples_are_refused():
    h = planted(STRONG, floor=0.2)
    with pytest.raises(ValueError, match="expected 1 to 9"):
        exact_pca(h[:10], 10)
