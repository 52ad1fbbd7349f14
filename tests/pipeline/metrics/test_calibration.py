"""Planted effects, scores and shares: strengths, valid ranges and order come out as they were put in."""

import numpy as np
import pytest

from pipeline.metrics.calibration import (
    StrengthPerSD,
    guess,
    in_valid_range,
    monotonicity,
    strength_of_one_sd,
    strength_per_sd,
    valid_range,
)

STRENGTHS = np.array([-2.0, -1.0, 1.0, 2.0])


def test_the_strength_per_sd_of_a_straight_line():
    assert strength_of_one_sd(STRENGTHS, 0.8 * STRENGTHS) == pytest.approx(1.25)
    assert strength_of_one_sd(STRENGTHS, -0.8 * STRENGTHS, sense=-1) == pytest.approx(-1.25), (
        "it falls along the direction"
    )
    assert strength_of_one_sd(STRENGTHS, 4 * STRENGTHS) == pytest.approx(0.25), "from 0 at 0"


def test_only_the_side_that_raises_the_target_counts():
    assert strength_of_one_sd(STRENGTHS, np.array([-9, -0.1, 0.6, 1.4])) == pytest.approx(1.5)
    assert strength_of_one_sd(STRENGTHS, np.array([2.0, 0.5, 3.0, 3.0]), sense=-1) == pytest.approx(-4 / 3)
    assert np.isnan(strength_of_one_sd(STRENGTHS, -STRENGTHS)), "it never rises"
    assert np.isnan(strength_of_one_sd(np.array([-1.0]), np.array([-2.0]))), "nothing was measured there"


def test_it_goes_on_beyond_the_measured_strengths_by_as_much_again():
    assert strength_of_one_sd(STRENGTHS, 0.3 * STRENGTHS) == pytest.approx(1 / 0.3)
    assert np.isnan(strength_of_one_sd(STRENGTHS, 0.2 * STRENGTHS))
    assert strength_of_one_sd(np.array([1.0]), np.array([0.8])) == pytest.approx(1.25)
    assert np.isnan(strength_of_one_sd(np.array([1.0]), np.array([0.8]), beyond=1.2))


def test_what_levels_off_or_turns_is_not_taken_to_go_on():
    strengths = np.array([0.75, 1.25])
    assert np.isnan(strength_of_one_sd(strengths, np.array([0.79, 0.83])))
    assert np.isnan(strength_of_one_sd(strengths, np.array([0.97, 0.85])))
    assert strength_of_one_sd(strengths, np.array([0.6, 0.9])) == pytest.approx(1.25 + 0.5 / 3)


def test_what_cannot_rise_by_one_standard_deviation_is_measured_by_its_fall():
    limited = np.array([-2.0, -1.0, 0.6, 0.7])
    found = strength_per_sd(STRENGTHS, limited)
    assert found is not None and (found.strength, found.by, found.measured_at) == (1, "fall", -1)
    lowering = strength_per_sd(STRENGTHS, np.array([0.7, 0.6, -1.0, -2.0]), sense=-1)
    assert lowering is not None and (lowering.strength, lowering.by, lowering.measured_at) == (-1, "fall", 1)
    assert strength_per_sd(STRENGTHS, 0.2 * STRENGTHS) is None


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 2, 1]])
def test_of_a_strength_that_was_measured_twice_the_mean_counts(order):
    """A line through both would be steep by chance alone: up, and .9 seems to be 1; or down, and what moves on seems to stop."""
    strengths, effects = np.array([0.5, 1.0, 1.0]), np.array([0.4, 0.7, 0.9])[order]
    assert strength_of_one_sd(strengths, effects) == pytest.approx(1.25), "on from .4 at half and .8 at 1"
    assert np.isnan(strength_of_one_sd(strengths, effects, beyond=1.2))


@pytest.mark.parametrize("last", [0.86, 0.9, 0.94])
def test_a_line_beyond_the_last_strength_is_not_by_one_beside_it(last):
    strengths = np.array([0.5, 0.98, 1.0])
    expected = 1 + (1 - last) * 0.5 / (last - 0.45)
    assert strength_of_one_sd(strengths, np.array([0.45, 0.9, last])) == pytest.approx(expected)


def test_missing_effects_and_the_order_of_strengths_do_not_matter():
    effects = np.array([np.nan, -0.5, 0.5, np.nan])
    assert strength_of_one_sd(STRENGTHS, effects) == pytest.approx(2)
    assert strength_of_one_sd(STRENGTHS[::-1], 0.8 * STRENGTHS[::-1]) == pytest.approx(1.25)


def test_a_strength_before_the_first_measured_strength_is_looked_for_nearer():
    assert guess(StrengthPerSD(1.5, "rise"), STRENGTHS) == 1.5
    assert guess(StrengthPerSD(0.5, "rise"), STRENGTHS) == pytest.approx(0.3)
    assert guess(StrengthPerSD(0.5, "fall"), STRENGTHS) == pytest.approx(-0.3)
    assert abs(guess(None, STRENGTHS)) == 2


def test_the_valid_range_ends_before_the_first_strength_that_is_not_fine():
    strengths = np.array([-3, -2, -1, 1, 2, 3.0])
    assert valid_range(strengths, np.array([True, False, True, True, True, False])) == (-1, 2)
    assert valid_range(strengths, np.array([True, True, False, True, False, True])) == (0, 1)
    assert valid_range(strengths, np.ones(6, bool)) == (-3, 3)
    assert valid_range(np.array([1.0, 2.0]), np.ones(2, bool)) == (0, 2)


def test_a_strength_is_in_the_valid_range_where_the_strength_measured_next_to_it_is():
    strengths, fine = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([False, True, True, True])
    assert [in_valid_range(strength, strengths, fine) for strength in (1.0, 1.6, 2.4, -1.1, -1.9)] == [
        True,
        True,
        True,
        True,
        False,
    ]
    assert not in_valid_range(0.3, strengths, np.array([True, True, False, True])), "the first is not fine"
    assert not in_valid_range(-0.3, np.array([1.0, 2.0]), np.ones(2, bool)), "nothing was measured on that side"


def test_order_along_the_strength():
    rising = np.array([[0.0, 1, 2, 3], [5, 6, 7, 8]])
    assert monotonicity(rising) == 1 and monotonicity(-rising) == 0
    assert monotonicity(np.array([[0.0, 2, 1]])) == pytest.approx(2 / 3)
    assert monotonicity(np.zeros((3, 4))) == 0.5
    assert monotonicity(np.vstack([rising, [np.nan, 0, 0, 0]])) == 1, "missing scores are left out"
    assert np.isnan(monotonicity(np.full((2, 3), np.nan)))
