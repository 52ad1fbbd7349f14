"""Eq. 12: nothing of the others is left, jointly, whatever their order and correlation."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.projection import project

SHAPE = (5, 8, 2, 2)  # T C H W


def directions(k: int, correlation: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(SHAPE)
    return correlation * shared + (1 - correlation) * rng.standard_normal((k, *SHAPE))


@settings(deadline=None)
@given(st.integers(1, 6), st.floats(0, 0.95), st.integers(0, 1000))
def test_inner_products_are_zero_to_rounding(k, correlation, seed):
    v_0, *others = directions(k + 1, correlation, seed)
    v = project(v_0, np.stack(others)).v
    for other in others:
        assert abs(np.vdot(v, other)) < 1e-10 * np.linalg.norm(v_0) * np.linalg.norm(other)


def test_equals_the_formula_of_the_paper():
    v_0, *others = directions(4, 0.5, 0)
    V = np.stack(others).reshape(3, -1).T
    expected = v_0.ravel() - V @ np.linalg.inv(V.T @ V) @ V.T @ v_0.ravel()
    np.testing.assert_allclose(project(v_0, np.stack(others)).v.ravel(), expected, atol=1e-10)


def test_order_and_repetition_do_not_matter():
    v_0, a, b = directions(3, 0.7, 1)
    expected = project(v_0, np.stack([a, b])).v
    np.testing.assert_allclose(project(v_0, np.stack([b, a, b, 3 * a])).v, expected, atol=1e-8)


def test_a_planted_clean_direction_comes_back():
    rng = np.random.default_rng(2)
    clean, other = rng.standard_normal((2, *SHAPE))
    clean -= other * np.vdot(clean, other) / np.vdot(other, other)
    v = project(clean + 0.8 * other, other[None]).v
    np.testing.assert_allclose(v, clean, atol=1e-10)


def test_a_direction_of_zeros_takes_nothing_away():
    [v_0] = directions(1, 0, 3)
    np.testing.assert_allclose(project(v_0, np.zeros((1, *SHAPE))).v, v_0)
