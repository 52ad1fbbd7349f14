"""Sliders that are planted: even ones, ones that jump, ones that go the wrong way."""

import numpy as np
import pytest

from pipeline.metrics.sliders import conceptual_range, conceptual_smoothness, semantic_preservation

EVEN = np.array([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0])


def as_the_paper_has_it(strengths: np.ndarray, effects: np.ndarray) -> float:
    """Standard deviation of the gaps, each side brought to 0 to 1; evenly spaced strengths."""
    gaps = []
    for sense in (1, -1):
        side = (strengths * sense >= 0).nonzero()[0][::sense]
        values = sense * effects[side]
        gaps += list(np.diff((values - values.min()) / np.ptp(values)))
    return float(np.std(gaps))


def test_the_range_has_the_sign_of_the_slider():
    assert conceptual_range(0.5 * EVEN) == 3.0 and conceptual_range(-0.5 * EVEN) == -3.0


@pytest.mark.parametrize("uneven", [EVEN, np.array([-4.0, -1.0, 0.0, 0.5, 1.0, 4.0])])
@pytest.mark.parametrize("slope", [0.7, -0.7])
def test_a_straight_line_is_smooth_however_its_strengths_are_spaced(uneven, slope):
    assert conceptual_smoothness(uneven, slope * uneven) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("effects", [np.tanh(EVEN), EVEN**3, np.array([-2, -1.9, -1.8, 0, 0.1, 0.2, 3.0])])
def test_it_is_the_papers_where_strengths_are_evenly_spaced(effects):
    assert conceptual_smoothness(EVEN, effects) == pytest.approx(as_the_paper_has_it(EVEN, effects))


def test_a_jump_is_less_smooth_than_a_bend():
    jump = np.array([0, 0, 0, 0, 0, 0, 1.0])
    assert conceptual_smoothness(EVEN, jump) == pytest.approx(np.std([0, 0, 1]))
    assert conceptual_smoothness(EVEN, jump) > 3 * conceptual_smoothness(EVEN, np.tanh(EVEN / 3))


def test_a_side_with_one_strength_or_without_effect_tells_nothing():
    two = np.array([-1.0, 0.0, 1.0])
    assert np.isnan(conceptual_smoothness(two, two)) and np.isnan(conceptual_smoothness(EVEN, np.zeros(7)))
    one_sided = np.array([0.0, 1.0, 2.0])
    assert conceptual_smoothness(one_sided, np.array([0.0, 0.0, 1.0])) == pytest.approx(0.5)


def test_preservation_is_the_mean_distance_to_the_unedited_images():
    distances = np.array([0.3, 0.2, 0.1, 0.0, 0.1, 0.2, np.nan])
    assert semantic_preservation(EVEN, distances) == pytest.approx(np.mean([0.3, 0.2, 0.1, 0.1, 0.2]))
    assert np.isnan(semantic_preservation(np.array([0.0]), np.array([0.0])))
