"""Exact principal components against the SVD, of one step and of trajectories."""

import numpy as np
import pytest

from pipeline.estimators import dual
from pipeline.estimators.component_matching import align_signs
from pipeline.estimators.components import components_from_gram, exact_pca
from pipeline.estimators.pca import StreamingPCA, components_of
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


@pytest.mark.parametrize("seed", range(4))
def test_components_of_the_same_samples_in_another_order_have_the_same_signs(seed):
    h = planted(STRONG, floor=0.2, seed=seed)
    order = np.random.default_rng(seed).permutation(len(h))

    def each(rows: np.ndarray) -> list[np.ndarray]:
        mean = rows.mean(axis=0, dtype=np.float64)
        weights, _ = components_from_gram(dual.gram(rows, mean), K)
        streamed = components_of(StreamingPCA(K, 40, 64).partial_fit(rows), K).vectors
        return [exact_pca(rows, K).vectors, streamed, weights @ (rows - mean)]

    for one, other in zip(each(h), each(h[order]), strict=True):
        unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (one, other)]
        assert np.einsum("kd,kd->k", *unit).min() > 0.999


def test_a_component_that_step_0_has_not_agrees_with_the_first_step_that_has_it():
    steps = [np.zeros((1, 3)), np.array([[0, 2.0, 1]]), np.array([[0, -2.0, -1]])]
    np.testing.assert_array_equal(align_signs(steps)[0], [[0, 0, 0], [0, 2, 1], [0, 2, 1]])
