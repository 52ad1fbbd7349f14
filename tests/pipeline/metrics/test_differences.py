"""Errors of differences are those that differences have: drawn again and again, they scatter by as much."""

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from pipeline.metrics.differences import Difference, MeanChange, by_standard_errors, in_pairs

RNG = np.random.default_rng(0)


def summed(values: np.ndarray) -> MeanChange:
    return MeanChange(values.mean(), values.std(ddof=1), len(values))


def test_the_error_of_different_samples_is_that_of_welch():
    before, after = RNG.normal(0.2, 1.0, 28), RNG.normal(0.9, 2.0, 50)
    found = by_standard_errors(summed(before), summed(after))
    expected = ttest_ind(after, before, equal_var=False)
    assert found.value / found.error == pytest.approx(expected.statistic)
    assert found.degrees == pytest.approx(expected.df) and not found.paired


def test_the_error_of_the_same_samples_is_that_of_pairs():
    before = RNG.normal(0.2, 1.0, 28)
    after = before + RNG.normal(0.1, 0.1, 28)
    found, expected = in_pairs(before, after), ttest_rel(after, before)
    assert found.value / found.error == pytest.approx(expected.statistic) and found.degrees == expected.df
    assert found.error < 0.2 * by_standard_errors(summed(before), summed(after)).error


def test_pairs_of_which_one_is_missing_are_left_out():
    before, after = np.array([0.0, 2**-30, np.nan, 2.0]), np.array([1.0, 1 + 2**-30, 5.0, np.nan])
    assert in_pairs(before, after).value == 1.0 and in_pairs(before, after).error < 1e-8
    nothing = in_pairs(before[2:], after[2:])
    assert np.isnan(nothing.value) and not nothing.is_real(0.9)


def test_a_few_changes_in_steps_that_differ_by_the_same_are_no_certainty():
    """Of a judge that says yes or no."""
    assert not in_pairs(np.zeros(2), np.ones(2)).is_real(0.99)
    assert in_pairs(np.zeros(28), np.ones(28)).is_real(0.99, among=300)
    assert in_pairs(np.ones(5), np.ones(5)).error == 0.0, "nothing differs"


def test_chance_is_called_real_as_often_as_the_confidence_allows():
    draws = RNG.normal(size=(2, 4000, 28))
    found = [by_standard_errors(summed(a), summed(b)) for a, b in zip(*draws, strict=True)]
    alone = np.mean([each.is_real(0.95) for each in found])
    assert alone == pytest.approx(0.05, abs=0.012)  # 3.5 standard errors of 4,000 draws
    of_twenty = np.mean([any(each.is_real(0.95, among=20) for each in found[i : i + 20]) for i in range(0, 4000, 20)])
    assert of_twenty == pytest.approx(0.05, abs=0.055)  # of 200 families


def test_what_is_not_known_is_never_real_and_a_difference_without_error_always_is():
    one = MeanChange(3.0, 0.0, 1)
    assert not by_standard_errors(one, MeanChange(0.0, 0.1, 10)).is_real(0.9)
    assert Difference(0.1, 0.0, 9, paired=False).is_real(0.99)
    assert not Difference(0.0, 0.0, 9, paired=False).is_real(0.99)
    assert by_standard_errors(MeanChange(1.0, 0.0, 9), MeanChange(1.0, 0.0, 9)).degrees > 0
