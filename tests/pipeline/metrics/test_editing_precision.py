"""EPR is 1 of an edit that moves everything alike, and as high as planted of one that moves its target more."""

import numpy as np
import pytest

from pipeline.metrics.editing_precision import editing_precision_ratio, mean_absolute, ratio

RNG = np.random.default_rng(0)


def test_it_is_the_ratio_of_mean_absolute_changes():
    target = np.array([2.0, -2.0, 4.0, -4.0])  # a rise and a fall count alike
    others = np.array([[1.0, -0.5], [-1.0, 0.5], [1.0, -0.5], [1.0, 0.5]])
    assert editing_precision_ratio(target, others) == pytest.approx(3.0 / 0.75)


def test_what_was_not_measured_of_an_image_is_left_out():
    target = np.array([2.0, np.nan])
    others = np.array([[np.nan, 1.0], [0.5, 1.0]])
    assert editing_precision_ratio(target, others) == pytest.approx(2.0 / 0.75)
    assert np.isnan(ratio(1.0, np.array([np.nan]))) and np.isnan(ratio(1.0, np.empty(0)))


def test_an_edit_that_moves_nothing_else_is_as_good_as_the_definition_lets_it_be():
    assert editing_precision_ratio(np.ones(3), np.zeros((3, 2))) == pytest.approx(1e8)


def test_it_is_1_of_noise():
    changes = RNG.normal(size=(20_000, 6))
    assert editing_precision_ratio(changes[:, 0], changes[:, 1:]) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("mean, std", [(0.0, 1.0), (0.5, 1.0), (-2.0, 0.7), (3.0, 0.1)])
def test_mean_absolute_changes_of_normal_changes_are_told_by_mean_and_standard_deviation(mean, std):
    drawn = np.abs(RNG.normal(mean, std, 200_000))
    assert float(mean_absolute(mean, std)) == pytest.approx(drawn.mean(), abs=4 * drawn.std() / np.sqrt(len(drawn)))


def test_changes_without_spread_are_as_large_as_their_mean():
    assert mean_absolute(np.array([-2.0, 0.0]), np.zeros(2)).tolist() == [2.0, 0.0]
    assert np.isnan(mean_absolute(1.0, np.nan))


def test_means_and_standard_deviations_give_what_single_changes_give():
    changes = RNG.normal([1.5, 0.2, -0.3], [0.8, 0.5, 0.4], (20_000, 3))
    absolute = mean_absolute(changes.mean(axis=0), changes.std(axis=0, ddof=1))
    exact = editing_precision_ratio(changes[:, 0], changes[:, 1:])
    assert ratio(absolute[0], absolute[1:]) == pytest.approx(exact, rel=0.02)
