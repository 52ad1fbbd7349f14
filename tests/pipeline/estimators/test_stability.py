"""Stability: directions that are planted, with samples few or many, strong or drowned in noise."""

import numpy as np
import pytest

from pipeline.estimators.linear import difference_weights
from pipeline.estimators.selection import select
from pipeline.estimators.stability import (
    FEWEST,
    Stability,
    check_enough,
    check_sides,
    inner_products,
    resamples,
    warnings_of,
)


def test_resamples_are_all_two_halves_and_bootstraps():
    weights = resamples(range(2000), bootstraps=30)
    assert weights.shape == (2000, 33)
    assert (weights[:, 0] == 1).all()
    assert set(weights[:, 1]) == {0, 1} and (weights[:, 1] + weights[:, 2] == 1).all()
    assert 900 < weights[:, 1].sum() < 1100
    drawn = weights[:, 3:]
    assert (drawn > 0).all()
    assert drawn.mean() == pytest.approx(1, abs=0.02) and drawn.var() == pytest.approx(1, abs=0.05)
    between = np.corrcoef(drawn.T) - np.eye(30)
    assert np.abs(between).max() < 0.1


def test_the_weights_of_a_sample_are_its_own():
    many = resamples(range(100), bootstraps=4)
    np.testing.assert_array_equal(resamples([70, 3], bootstraps=4), many[[70, 3]])
    more = resamples(range(100), bootstraps=9)
    np.testing.assert_array_equal(more[:, :7], many)
    assert resamples(range(100), bootstraps=0).shape == (100, 3)


def directions(n: int, noise: float, seed: int = 0, steps: int = 3) -> list[np.ndarray]:
    """Differences of means at each step, (R, 1, D), of n samples in which an attribute moves h along a direction."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal(n)
    weights = difference_weights([select(scores, n // 4)], resamples(range(n)))
    return [
        weights @ (np.outer(scores, rng.standard_normal(50)) + noise * rng.standard_normal((n, 50)))
        for _ in range(steps)
    ]


def test_cosines_are_those_of_whole_trajectories():
    steps = directions(n=100, noise=3)
    stability = Stability.of(sum(inner_products(vectors) for vectors in steps))
    v = np.concatenate(steps, axis=2)[:, 0]  # (R, steps * D)
    unit = v / np.linalg.norm(v, axis=1, keepdims=True)
    assert stability.split_half[0] == pytest.approx(unit[1] @ unit[2])
    low, high = np.percentile(unit[3:] @ unit[0], [5, 95])
    assert (stability.bootstrap_low[0], stability.bootstrap_high[0]) == (pytest.approx(low), pytest.approx(high))


def test_a_direction_is_healthier_with_more_samples_and_less_noise():
    few, many, clean = (
        Stability.of(sum(map(inner_products, directions(n, noise)))) for n, noise in ((60, 4), (2000, 4), (2000, 0.1))
    )
    assert few.split_half[0] < 0.7 < 0.9 < many.split_half[0] < 0.999 < clean.split_half[0]
    assert few.bootstrap_low[0] < 0.9 < many.bootstrap_low[0] < 0.999 < clean.bootstrap_low[0]


def test_bootstraps_vary_as_new_samples_would():
    """A bootstrap's distance to the estimate is about the estimate's own distance to the truth: half the promise of the method."""
    rng = np.random.default_rng(0)
    scores, truth = rng.standard_normal(800), rng.standard_normal(50)
    h = np.outer(scores, truth) + 3 * rng.standard_normal((800, 50))
    v = difference_weights([select(scores, 200)], resamples(range(800)))[:, 0] @ h
    unit = v / np.linalg.norm(v, axis=1, keepdims=True)
    to_truth = unit[0] @ truth / np.linalg.norm(truth)
    assert 1 - np.median(unit[3:] @ unit[0]) == pytest.approx(1 - to_truth, rel=0.5)


def test_what_is_not_known_is_none():
    vectors = directions(n=40, noise=1, steps=1)[0]
    assert set(Stability.of(inner_products(vectors[:1])).row(0).values()) == {None}
    halves = Stability.of(inner_products(vectors[:3])).row(0)
    assert halves["split_half_cosine"] > 0 and halves["bootstrap_cosine_low"] is None
    vectors[1] = np.nan  # a half without a positive
    row = Stability.of(inner_products(vectors)).row(0)
    assert row["split_half_cosine"] is None and 0 < row["bootstrap_cosine_low"] <= row["bootstrap_cosine_high"] <= 1


def rare(n: int, positives: int) -> np.ndarray:
    """Logits of n samples, so many of them above 0, and one missing besides."""
    scores = np.concatenate([np.linspace(1, 2, positives), np.linspace(-3, -1, n - positives), [np.nan]])
    return scores


def test_a_rare_attribute_is_warned_of_with_the_numbers():
    scores = rare(10_000, 17)
    [warning] = warnings_of("glasses", scores, select(scores, 100))
    assert warning == (
        "glasses: 17 of 10,000 samples have a score above 0, and the 100 positives reach down to -1: "
        "a direction from them will be poor. Sample more, or take fewer."
    )
    assert warnings_of("glasses", scores, select(scores, 17)) == []
    [warning] = warnings_of("bare", -scores, select(-scores, 100))
    assert "17 of 10,000 samples have a score of 0 or less, and the 100 negatives reach up to 1" in warning


def test_thresholds_are_the_attribute_s_own_and_need_not_be():
    scores = rare(100, 30)
    assert "above 1.9" in warnings_of("glasses", scores, select(scores, 10), threshold=1.9)[0]
    assert warnings_of("yaw", scores, select(scores, 40), threshold=np.nan) == []


def test_sides_that_overlap_are_warned_of():
    scores = np.concatenate([np.full(30, 2.0), np.full(5, -1.0)])
    warnings = warnings_of("smile", scores, select(scores, 10))
    assert "5 of 35 samples have a score of 0 or less, and the 10 negatives reach up to 2" in warnings[0]
    assert "positives reach down to 2 and negatives up to 2: they overlap" in warnings[1]


def test_too_few_examples_are_refused_with_the_numbers():
    check_enough("glasses", rare(10_000, FEWEST))
    with pytest.raises(ValueError, match=f"of 10,000 scored samples .* at least {FEWEST} on either side"):
        check_enough("glasses", rare(10_000, FEWEST - 1))
    check_sides("glasses", FEWEST, 9_983, border=0)
    with pytest.raises(ValueError, match="glasses: 9,983 of 9,987 .* above 2 and 4 are not"):
        check_sides("glasses", 9_983, FEWEST - 1, border=2)


def test_a_score_without_a_border_needs_values_that_differ():
    check_enough("yaw", np.arange(20.0), threshold=np.nan)
    with pytest.raises(ValueError, match="0 of 20"):
        check_enough("yaw", np.ones(20), threshold=np.nan)
    with pytest.raises(ValueError, match="0 of 0"):
        check_enough("yaw", np.full(20, np.nan), threshold=np.nan)
