"""Eq. 12: nothing of the others is left, jointly, whatever their order and correlation; and the diagnostics say what went where."""

from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.estimators.projection import project, search

SHAPE = (5, 8, 2, 2)  # T C H W
BOTH = pytest.mark.parametrize("by", ["joint", "step"])


def directions(k: int, correlation: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(SHAPE)
    return correlation * shared + (1 - correlation) * rng.standard_normal((k, *SHAPE))


def axes(k: int) -> np.ndarray:
    """(k, *SHAPE): orthonormal at every step on its own, so as trajectories orthogonal and of the same norm."""
    of_steps = [np.linalg.qr(np.random.default_rng(t).standard_normal((32, k)))[0].T for t in range(SHAPE[0])]
    return np.stack(of_steps, axis=1).reshape(k, *SHAPE)


def cosines(v: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(T,), of each step."""
    v, other = v.reshape(len(v), -1), other.reshape(len(other), -1)
    return (v * other).sum(axis=1) / np.linalg.norm(v, axis=1) / np.linalg.norm(other, axis=1)


@settings(deadline=None)
@given(st.integers(1, 6), st.floats(0, 0.95), st.integers(0, 1000))
def test_inner_products_are_zero_to_rounding(k, correlation, seed):
    v_0, *others = directions(k + 1, correlation, seed)
    v = project(v_0, np.stack(others)).v
    for other in others:
        assert abs(np.vdot(v, other)) < 1e-10 * np.linalg.norm(v_0) * np.linalg.norm(other)


def test_equals_the_formula_of_the_paper():
    v_0, *others = directions(4, 0.5, 0)
    np.testing.assert_allclose(project(v_0, np.stack(others)).v, formula(v_0, others), atol=1e-10)


def test_by_step_equals_the_formula_at_every_step():
    v_0, *others = directions(4, 0.5, 0)
    expected = np.stack([formula(v_0[t], [other[t] for other in others]) for t in range(len(v_0))])
    np.testing.assert_allclose(project(v_0, np.stack(others), "step").v, expected, atol=1e-10)


def formula(v_0: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    V = np.stack(others).reshape(len(others), -1).T
    return (v_0.ravel() - V @ np.linalg.inv(V.T @ V) @ V.T @ v_0.ravel()).reshape(v_0.shape)


def test_by_step_nothing_is_left_at_any_step_and_jointly_only_in_total():
    v_0, *others = directions(4, 0.5, 1)
    joint, by_step = project(v_0, np.stack(others)), project(v_0, np.stack(others), "step")
    for other in others:
        assert np.abs(cosines(by_step.v, other)).max() < 1e-12
        assert np.abs(cosines(joint.v, other)).max() > 0.05
    assert by_step.kept < joint.kept


@BOTH
def test_order_and_repetition_do_not_matter(by):
    v_0, a, b = directions(3, 0.7, 1)
    expected = project(v_0, np.stack([a, b]), by)
    assert np.isfinite(expected.condition)
    repeated = project(v_0, np.stack([b, a, b, 3 * a]), by)
    np.testing.assert_allclose(repeated.v, expected.v, atol=1e-8)
    assert repeated.condition == np.inf
    assert repeated.kept == pytest.approx(expected.kept) and repeated.removed_share.sum() == pytest.approx(1)


@BOTH
def test_one_after_another_is_something_else(by):
    """What Eq. 12 is not, where the others correlate: it brings back what it had removed, and depends on their order."""
    v_0, a, b = directions(3, 0.7, 1)
    v = project(project(v_0, a[None], by).v, b[None], by).v
    assert np.abs(cosines(v, a)).max() > 0.05
    assert np.abs(v - project(project(v_0, b[None], by).v, a[None], by).v).max() > 0.05


@BOTH
def test_a_planted_clean_direction_comes_back(by):
    clean, *others = axes(3)
    others = [others[0], others[1] + 2 * others[0]]
    projection = project(clean + 0.8 * others[0] - 0.5 * others[1], np.stack(others), by)
    np.testing.assert_allclose(projection.v, clean, atol=1e-12)
    assert projection.kept == pytest.approx(
        np.linalg.norm(clean) / np.linalg.norm(clean + 0.8 * others[0] - 0.5 * others[1])
    )


@BOTH
def test_scale_does_not_matter(by):
    v_0, a, b = directions(3, 0.5, 4)
    expected, scaled = project(v_0, np.stack([a, b]), by), project(v_0, np.stack([1e-6 * a, -1e6 * b]), by)
    np.testing.assert_allclose(scaled.v, expected.v, atol=1e-10)
    np.testing.assert_allclose(scaled.removed_share, expected.removed_share, atol=1e-10)
    assert scaled.condition == pytest.approx(expected.condition)


@BOTH
def test_float16_directions_are_projected_in_float64(by):
    v_0, *others = directions(4, 0.9, 5).astype(np.float16)
    v = project(v_0, np.stack(others), by).v
    assert v.dtype == np.float64
    assert max(abs(np.vdot(v, other.astype(float))) for other in others) < 1e-10


@BOTH
@pytest.mark.parametrize("k", [0, 1, 2])
def test_nothing_and_zeros_take_nothing_away(k, by):
    [v_0] = directions(1, 0, 3)
    projection = project(v_0, np.zeros((k, *SHAPE)), by)
    np.testing.assert_array_equal(projection.v, v_0)
    np.testing.assert_array_equal(projection.removed_share, np.zeros(k))
    np.testing.assert_array_equal(projection.kept_by_step, np.ones(len(v_0)))
    assert projection.kept == projection.condition == 1


@BOTH
def test_zeros_beside_another_change_nothing(by):
    v_0, a = directions(2, 0.5, 3)
    alone, beside = project(v_0, a[None], by), project(v_0, np.stack([np.zeros(SHAPE), a]), by)
    np.testing.assert_allclose(beside.v, alone.v, atol=1e-12)
    np.testing.assert_allclose(beside.removed_share, [0, 1])
    assert beside.condition == 1


@pytest.mark.parametrize("shape", [(7,), (4, 6), (2, 3, 4, 5)])
def test_any_shape(shape):
    v_0, a = np.random.default_rng(0).standard_normal((2, *shape))
    projection = project(v_0, a[None])
    assert projection.v.shape == shape and projection.kept_by_step.shape == shape[:1]
    assert abs(np.vdot(projection.v, a)) < 1e-12


# Diagnostics


@BOTH
@pytest.mark.parametrize("cosine", [0, 0.3, 0.9, -0.9, 0.999])
def test_the_condition_number_of_two_is_planted(cosine, by):
    """The Gram matrix [[1, c], [c, 1]] has the eigenvalues 1 + c and 1 - c."""
    v_0, a, b = axes(3)
    other = cosine * a + np.sqrt(1 - cosine**2) * b
    condition = project(v_0 + a, np.stack([a, 5 * other]), by).condition
    assert condition == pytest.approx((1 + abs(cosine)) / (1 - abs(cosine)))


def test_the_condition_number_by_step_is_the_worst_steps():
    v_0, a, b = axes(3)
    cosine = np.array([0, 0.1, 0.8, 0.2, 0])[:, None, None, None]
    others = np.stack([a, cosine * a + np.sqrt(1 - cosine**2) * b])
    assert project(v_0, others, "step").condition == pytest.approx(1.8 / 0.2)
    mean = cosine.mean()  # of steps of one norm: the cosine of the trajectories
    assert project(v_0, others, "joint").condition == pytest.approx((1 + mean) / (1 - mean))


@BOTH
def test_orthogonal_conditions_took_their_squared_cosines(by):
    clean, a, b, c = axes(4)
    projection = project(clean + 3 * a - 4 * b, np.stack([a, 7 * b, c]), by)
    np.testing.assert_allclose(projection.removed_share, [9 / 25, 16 / 25, 0], atol=1e-12)
    assert projection.kept == pytest.approx(1 / np.sqrt(1 + 9 + 16))
    assert projection.condition == pytest.approx(1)


@settings(deadline=None)
@given(st.integers(1, 6), st.floats(0, 0.95), st.integers(0, 1000), st.sampled_from(["joint", "step"]))
def test_shares_add_up(k, correlation, seed, by):
    v_0, *others = directions(k + 1, correlation, seed)
    projection = project(v_0, np.stack(others), by)
    assert projection.removed_share.sum() == pytest.approx(1)
    left, whole = (np.linalg.norm(x.reshape(len(x), -1), axis=1) for x in (projection.v, v_0))
    np.testing.assert_allclose(projection.kept_by_step, left / whole)
    assert projection.kept == pytest.approx(np.linalg.norm(left) / np.linalg.norm(whole))


def test_a_condition_that_compensates_another_took_a_negative_share():
    """v_0 = 2 a - b with <a, b> = 0.8: b's coefficient is -1 and its product with v_0 is 0.6, of a squared norm of 1.8."""
    _, a, b = axes(3) / np.sqrt(SHAPE[0])
    b = 0.8 * a + 0.6 * b
    projection = project(2 * a - b, np.stack([a, b]))
    np.testing.assert_allclose(projection.removed_share, [2.4 / 1.8, -0.6 / 1.8])
    assert projection.kept < 1e-12


def test_what_is_kept_of_each_step_is_planted():
    """Only at step 2 has v_0 something of the other, with a cosine of 0.6."""
    clean, other = axes(2)
    v_0 = clean.copy()
    v_0[2] = 0.8 * clean[2] + 0.6 * other[2]
    np.testing.assert_allclose(project(v_0, other[None], "step").kept_by_step, [1, 1, 0.8, 1, 1])
    joint = project(v_0, other[None])
    away = 0.6 / 5  # of the other, at every step: <v_0, other> = 0.6, and its squared norm is 5
    step = np.hypot(1, away)
    np.testing.assert_allclose(joint.kept_by_step, [step, step, np.hypot(0.8, 0.6 - away), step, step])
    assert joint.kept == pytest.approx(np.sqrt(1 - 0.6**2 / 25))


# Diagnostics


def unit(*components: float) -> np.ndarray:
    """A trajectory of five steps, each a mixture of orthonormal directions."""
    basis = np.linalg.qr(np.random.default_rng(7).standard_normal((32, 4)))[0].T
    return np.stack([np.array(components) @ basis[: len(components)]] * 5).reshape(SHAPE)


def test_the_condition_number_is_that_of_two_correlated_directions():
    c = 0.6
    found = project(unit(1, 1, 1), np.stack([unit(1, 0), unit(c, np.sqrt(1 - c**2)) * 9]))
    assert found.condition == pytest.approx((1 + c) / (1 - c))
    assert project(unit(1, 1), unit(1)[None]).condition == 1
    assert project(unit(1, 1), np.stack([unit(0, 1), 2 * unit(0, 1)])).condition == np.inf


def test_what_was_removed_is_shared_out():
    found = project(unit(3, 2, 1), np.stack([unit(0, 1), unit(0, 0, 5), unit(0, 0, 0, 1)]))
    np.testing.assert_allclose(found.removed_share, [4 / 5, 1 / 5, 0], atol=1e-12)
    assert found.kept == pytest.approx(np.sqrt(9 / 14))
    np.testing.assert_allclose(found.kept_by_step, found.kept)
    nothing = project(unit(1), unit(0, 1)[None])
    assert nothing.kept == 1 and nothing.removed_share == 0
    with_none = project(unit(1), np.empty((0, *SHAPE)))
    assert with_none.kept == 1 and len(with_none.removed_share) == 0 and with_none.condition == 1


def test_by_step_nothing_of_the_others_is_left_at_any_step():
    v_0, *others = directions(4, 0.6, 5)
    by_step, joint = (project(v_0, np.stack(others), by) for by in ("step", "joint"))
    products = np.einsum("tchw,ktchw->kt", by_step.v, np.stack(others))
    np.testing.assert_allclose(products, 0, atol=1e-10)
    jointly = np.einsum("tchw,ktchw->kt", joint.v, np.stack(others))
    assert abs(jointly).max() > 0.1 and abs(jointly.sum(axis=1)).max() < 1e-10
    assert by_step.kept < joint.kept
    norms = np.linalg.norm(by_step.v.reshape(5, -1), axis=1) / np.linalg.norm(v_0.reshape(5, -1), axis=1)
    np.testing.assert_allclose(by_step.kept_by_step, norms)


# What to project away


def measured(v: np.ndarray) -> dict[str, float]:
    """A generator in which attribute k moves by the k-th component; nothing else knows of delta."""
    parts = [float(np.vdot(v, unit(*np.eye(4)[k])) / 5) for k in range(4)]
    return dict(zip(("alpha", "beta", "gamma", "delta"), parts, strict=True))


OTHERS = {"alpha": unit(1), "beta": unit(0, 1), "gamma": unit(0, 0, 1)}


def test_the_search_takes_away_what_is_moved_most_first_and_stops_when_that_helps_no_more():
    best, trials = search(unit(1, 0.3, -0.6, 0.2), "alpha", OTHERS, measured)
    assert [trial.removed for trial in trials] == [(), ("gamma",), ("gamma", "beta")]
    assert [trial.accepted for trial in trials] == [True] * 3
    np.testing.assert_allclose(best.v, unit(1, 0, 0, 0.2), atol=1e-10)
    assert trials[0].ratio == pytest.approx(1 / 0.6) and trials[-1].ratio == pytest.approx(5)
    assert trials[1].kept == pytest.approx(np.sqrt(1 - 0.36 / 1.49))


def test_what_does_not_help_is_not_taken_away():
    best, trials = search(unit(1, 0.1, 0.05, 0.8), "alpha", OTHERS, measured)
    assert [trial.accepted for trial in trials] == [True, False], "delta stays the worst"
    np.testing.assert_allclose(best.v, unit(1, 0.1, 0.05, 0.8))


def test_a_search_leaves_something_of_the_direction():
    best, trials = search(unit(0.1, 1, 0.05), "alpha", OTHERS, measured)
    assert not trials[1].accepted and trials[1].kept < 0.2 and np.isnan(trials[1].on_target)
    assert best.kept == 1 and len(trials) == 2


# Conditions that are nearly one


def exactly(v_0: np.ndarray, others: np.ndarray) -> np.ndarray:
    """What Eq. 12 leaves of v_0 (D,), in rational numbers: the others (k, D) made orthogonal, one after the other."""

    def without(v: list[Fraction], axis: list[Fraction]) -> list[Fraction]:
        share = sum(x * y for x, y in zip(v, axis, strict=True)) / sum(y * y for y in axis)
        return [x - share * y for x, y in zip(v, axis, strict=True)]

    axes: list[list[Fraction]] = []
    for other in others:
        axes.append(reduce(without, axes, [Fraction(float(x)) for x in other]))
    return np.array([float(x) for x in reduce(without, axes, [Fraction(float(x)) for x in v_0])])


@pytest.mark.parametrize("apart", [1e-3, 1e-6, 1e-8, 1e-9, 1e-10, 1e-12])
def test_what_nearly_parallel_conditions_differ_in_is_removed_too(apart):
    """To the digits that their difference has in float64. The Gram matrix has none of them left below 1e-8."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        v_0, a, b, difference = rng.standard_normal((4, 40))
        others = np.stack([a, b, a + apart * difference])
        found = project(v_0[None], others[:, None])
        expected = exactly(v_0, others)
        assert np.linalg.norm(found.v[0] - expected) < 1e-15 / apart * 300 * np.linalg.norm(expected)
        assert 0.01 / apart**2 < found.condition < 100 / apart**2
        assert found.removed_share.sum() == pytest.approx(1, abs=1e-15 / apart * 300)


@BOTH
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(wrong, by):
    v, others = np.ones((3, 4)), np.ones((2, 3, 4))
    others[1, 2, 0] = wrong
    with pytest.raises(ValueError, match="not finite"):
        project(v, others, by)
    with pytest.raises(ValueError, match="not finite"):
        project(v * wrong, np.ones((2, 3, 4)), by)
