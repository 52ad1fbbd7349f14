"""Planted means and ratios: intervals hold the truth as often as they say."""

import numpy as np
import pandas as pd
import pytest

from pipeline.metrics.intervals import half_width, over_the_largest_other, ratio_interval, unit_error

TRIALS = 2000


def units(rng: np.random.Generator, samples: int) -> tuple[float, float]:
    scores = pd.Series(rng.standard_normal(samples))
    return float(scores.std(ddof=0)), unit_error(scores)


@pytest.mark.parametrize(("effect", "samples"), [(0.0, 100), (0.5, 400), (2.0, 128)])
def test_the_interval_of_an_effect_covers_it(effect, samples):
    rng, n, held = np.random.default_rng(0), 28, []
    for _ in range(TRIALS):
        unit, error = units(rng, samples)
        changes = (effect + 0.5 * rng.standard_normal(n)) / unit
        width = half_width(changes.mean(), changes.std(ddof=1), np.array(n), error)
        held.append(abs(changes.mean() - effect) <= width)
    assert 0.93 < np.mean(held) < 0.98


def test_the_error_of_the_unit_matters_where_an_effect_is_far_larger_than_its_own():
    """20 standard errors, in units of 128 samples."""
    rng, n, held = np.random.default_rng(1), 28, {"counted": [], "not counted": []}
    for _ in range(TRIALS):
        unit, error = units(rng, 128)
        changes = (2 + 0.5 * rng.standard_normal(n)) / unit
        for name, counted in (("counted", error), ("not counted", np.nan)):
            width = half_width(changes.mean(), changes.std(ddof=1), np.array(n), counted)
            held[name].append(abs(changes.mean() - 2) <= width)
    assert np.mean(held["not counted"]) < 0.8 < 0.93 < np.mean(held["counted"])


def test_the_error_of_a_standard_deviation_follows_from_the_tails():
    rng = np.random.default_rng(2)
    assert unit_error(pd.Series(rng.standard_normal(20_000))) == pytest.approx(1 / np.sqrt(40_000), rel=0.05)
    assert unit_error(pd.Series([0.0, 1.0] * 50)) == 0, (
        "of two values that are as frequent the standard deviation is known"
    )
    assert np.isnan(unit_error(pd.Series([1.0, 1.0, np.nan]))) and np.isnan(unit_error(pd.Series([], dtype=float)))


def test_one_sample_has_no_interval():
    assert np.isnan(half_width(np.array([1.0]), np.array([np.nan]), np.array([1])))[0]


def test_fiellers_ends_cover_the_ratio_of_two_means():
    rng, truth, cov = np.random.default_rng(3), 3.0, np.array([[0.09, 0.03], [0.03, 0.04]])
    drawn = rng.multivariate_normal([1.5, 0.5], cov / 4, TRIALS)
    low, high = ratio_interval(drawn[:, 0], drawn[:, 1], cov[0, 0] / 4, cov[1, 1] / 4, cov[0, 1] / 4, 1.96)
    assert np.mean((low <= truth) & (truth <= high)) == pytest.approx(0.95, abs=0.015)
    assert (low <= np.abs(drawn[:, 0] / drawn[:, 1])).all() and (np.abs(drawn[:, 0] / drawn[:, 1]) <= high).all()


def test_signs_do_not_matter():
    ends = [
        ratio_interval(np.array([sx * 2.0]), np.array([sy * 1.0]), 0.01, 0.02, sx * sy * 0.005, 2.0)
        for sx, sy in ((1, 1), (-1, 1), (1, -1))
    ]
    assert ends[0] == ends[1] == ends[2]


def test_a_denominator_that_may_be_0_has_no_high_end_and_a_numerator_no_low_one():
    low, high = ratio_interval(np.array([2.0, 0.1, 0.1]), np.array([0.1, 2.0, 0.1]), 0.04, 0.04, 0.0, 2.0)
    assert 0 < low[0] < 20 and high[0] == np.inf
    assert low[1] == 0 and 0.05 < high[1] < 1
    assert low[2] == 0 and high[2] == np.inf


@pytest.mark.parametrize("others", [(0.5, 0.1, 0.1), (0.5, 0.5, -0.5), (0.1, 0.0, 0.0)])
def test_the_ratio_to_the_largest_of_several_others_is_covered_though_it_is_not_known_which_that_is(others):
    rng, mean, n, held = np.random.default_rng(4), np.array([1.5, *others]), 14, []
    for _ in range(TRIALS):
        changes = mean + 0.6 * rng.standard_normal((n, 4))
        low, high = over_the_largest_other(changes, np.zeros(4))
        held.append(low[0] <= 1.5 / np.abs(others).max() <= high[0])
    assert np.mean(held) > 0.94


def test_samples_with_something_missing_are_left_out():
    changes = np.random.default_rng(5).standard_normal((10, 3)) + 2
    holes = np.concatenate([changes, [[np.nan, 1.0, 1.0]]])
    np.testing.assert_array_equal(
        over_the_largest_other(holes, np.zeros(3)), over_the_largest_other(changes, np.zeros(3))
    )
    for too_few in (changes[:1], changes[:, :1]):
        assert np.isnan(over_the_largest_other(too_few, np.zeros(too_few.shape[1]))).all()
