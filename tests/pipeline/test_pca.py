"""Principal components against an exact SVD, and against a planted subspace."""

import numpy as np
import pytest

from pipeline.pca import align_signs, principal_components


@pytest.fixture
def h() -> np.ndarray:
    """(700, 50): four strong directions over a weak floor."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((50, 4)))[0].T
    scores = rng.standard_normal((700, 4)) * [9, 6, 4, 2.5]
    return (scores @ basis + 0.2 * rng.standard_normal((700, 50)) + 3).astype(np.float32)


def test_components_are_those_of_the_exact_svd(h):
    found = principal_components(h, 4, batch=100)
    _, s, vt = np.linalg.svd(h - h.mean(axis=0), full_matrices=False)
    unit = found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True)
    assert np.abs(np.sum(unit * vt[:4], axis=1)).min() > 0.999
    np.testing.assert_allclose(found.explained_variance_ratio, s[:4] ** 2 / np.sum(s**2), rtol=0.02)


def test_a_component_is_one_standard_deviation_long(h):
    found = principal_components(h, 4, batch=100)
    lengths = np.linalg.norm(found.vectors, axis=1)
    scores = (h - h.mean(axis=0)) @ (found.vectors / lengths[:, None]).T
    np.testing.assert_allclose(lengths, scores.std(axis=0, ddof=1), rtol=0.02)


def test_each_step_agrees_in_sign_with_the_first():
    rng = np.random.default_rng(1)
    first = rng.standard_normal((3, 20))
    flips = np.array([[1, -1, 1], [-1, -1, 1]])[:, :, None]
    steps = [first, *(first * flip + 0.01 for flip in flips)]
    aligned = align_signs(steps)
    assert aligned.shape == (3, 3, 20)
    assert np.all(np.einsum("ktd,kd->kt", aligned, first) > 0)
