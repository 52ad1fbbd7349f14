"""Coordinates of the span: nothing of the samples is lost on the way there, nor on the way back."""

import numpy as np
import pytest
import torch

from pipeline.estimators import dual


def samples(n: int = 40, d: int = 150, seed: int = 0) -> np.ndarray:
    """h (n, d) float32 whose features have means and spreads far apart."""
    rng = np.random.default_rng(seed)
    spread = np.logspace(-2, 2, d)
    return ((rng.standard_normal((n, d)) + 3) * spread).astype(np.float32)


@pytest.fixture
def h():
    return samples()


@pytest.fixture
def standardised(h):
    exact = h.astype(np.float64)
    return (exact - exact.mean(axis=0)) / exact.std(axis=0)


def test_moments_are_those_in_double_precision(h):
    mean, std = dual.moments(h, columns=64)
    np.testing.assert_allclose(mean, h.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(std, h.std(axis=0, dtype=np.float64), rtol=1e-12)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e4])
def test_a_constant_feature_counts_for_nothing(h, constant):
    with_constant = np.column_stack([h, np.full(len(h), constant, np.float32)])
    mean, std = dual.moments(with_constant)
    assert std[-1] == 1
    plain = dual.gram(h, *dual.moments(h))
    np.testing.assert_allclose(dual.gram(with_constant, mean, std), plain, atol=1e-3)


@pytest.mark.parametrize("columns", [7, 64, 4096])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_gram_is_that_of_standardised_samples(h, dtype, columns):
    h = (h / 10).astype(dtype)
    exact = h.astype(np.float64)
    exact = (exact - exact.mean(axis=0)) / exact.std(axis=0)
    found = dual.gram(h, *dual.moments(h), columns=columns)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(found, exact @ exact.T, atol=2e-5 * h.shape[1])


def test_gram_without_a_scale_keeps_the_units(h):
    centred = h.astype(np.float64) - h.mean(axis=0, dtype=np.float64)
    expected = centred @ centred.T
    np.testing.assert_allclose(dual.gram(h, dual.moments(h)[0]), expected, atol=1e-5 * np.abs(expected).max())


def test_tensors_give_the_same_numbers_as_arrays(h):
    mean, std = dual.moments(h)
    tensor = torch.from_numpy(h)
    np.testing.assert_array_equal(dual.gram(tensor, mean, std), dual.gram(h, mean, std))
    np.testing.assert_array_equal(dual.moments(tensor)[1], std)
    np.testing.assert_array_equal(
        dual.combine(np.eye(3, len(h)), tensor, mean), dual.combine(np.eye(3, len(h)), h, mean)
    )


def test_what_tensors_on_a_device_go_through_gives_the_same_numbers():
    """The path of a GPU, on the CPU: torch throughout."""
    gram = torch.from_numpy(dual.gram(samples(), *dual.moments(samples())))
    z, weights = dual.coordinates(gram)
    assert isinstance(z, torch.Tensor) and isinstance(weights, torch.Tensor)
    torch.testing.assert_close(z @ z.T, gram, rtol=0, atol=1e-3)
    torch.testing.assert_close(weights @ z, torch.eye(z.shape[1], dtype=torch.float64))


def test_read_only_arrays_are_read_without_a_warning(h, recwarn):
    h.flags.writeable = False
    mean, std = dual.moments(h)
    dual.combine(np.eye(2, len(h)), h, mean, std)
    dual.gram(h, mean, std)
    assert not recwarn.list


def test_coordinates_keep_every_inner_product(h):
    gram = dual.gram(h, *dual.moments(h))
    z, _ = dual.coordinates(gram)
    assert z.shape == (40, 39)  # what is centred has a rank of n - 1
    np.testing.assert_allclose(z @ z.T, gram, atol=1e-5 * 150)
    spread = z.T @ z
    np.testing.assert_allclose(spread, np.diag(np.diag(spread)), atol=1e-9 * spread.max())
    assert (np.diff(np.diag(spread)) <= 0).all()


def test_there_and_back_again(h, standardised):
    """A planted vector of the span, seen by its inner products with the samples alone, comes back among the features."""
    rng = np.random.default_rng(1)
    truth = rng.standard_normal(len(h)) @ standardised
    mean, std = dual.moments(h)
    z, weights = dual.coordinates(dual.gram(h, mean, std))
    w = np.linalg.lstsq(z, standardised @ truth, rcond=None)[0]
    back = dual.combine(w[None] @ weights, h, mean, std, columns=64)[0]
    np.testing.assert_allclose(back, truth, atol=1e-5 * np.abs(truth).max())
    assert np.linalg.norm(w) == pytest.approx(np.linalg.norm(truth), rel=1e-5)


def test_samples_that_repeat_add_no_coordinates():
    rng = np.random.default_rng(0)
    h = (rng.standard_normal((30, 4)) @ rng.standard_normal((4, 200))).astype(np.float32)
    z, _ = dual.coordinates(dual.gram(h, *dual.moments(h)))
    assert z.shape == (30, 4)


def test_a_trajectory_is_the_sum_of_its_steps():
    steps = [samples(seed=seed) for seed in range(3)]
    one_by_one = sum(dual.gram(h, *dual.moments(h)) for h in steps)
    whole = np.hstack(steps)
    np.testing.assert_allclose(one_by_one, dual.gram(whole, *dual.moments(whole)), atol=1e-3)


def test_samples_all_alike_are_refused():
    h = np.ones((5, 8), np.float32)
    with pytest.raises(ValueError, match="5 samples are all alike"):
        dual.coordinates(dual.gram(h, *dual.moments(h)))


def test_an_overflow_is_named(h):
    h[0, 0] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        dual.coordinates(dual.gram(h, np.zeros(150), np.ones(150)))


def test_a_complete_basis_has_the_coordinates_of_the_span(h, standardised):
    """All principal components of raw h: what is solved in them is what is solved in the span."""
    mean, std = dual.moments(h)
    V = np.linalg.svd(h - mean, full_matrices=False)[2][:-1]
    basis = dual.standardised_basis(V, std)
    np.testing.assert_allclose(basis @ basis.T, np.eye(39), atol=1e-5)
    z = np.concatenate([dual.projected(rows, basis, mean, std, columns=64) for rows in (h[:7], h[7:])])
    assert z.dtype == np.float64
    np.testing.assert_allclose(z @ z.T, standardised @ standardised.T, atol=1e-4 * 150)
    np.testing.assert_allclose(z @ basis, standardised, atol=1e-3)
