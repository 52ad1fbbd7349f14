"""Sliders go as far as was measured and half as far again; what is beyond them, or has none, is refused."""

import pytest

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.errors import UserError
from pipeline.live.controls import Control, Controls


@pytest.fixture(scope="module")
def controls(catalog) -> Controls:
    return Controls.of(catalog)


def test_the_directions_to_use_come_first_and_those_without_a_calibration_not_at_all(controls):
    assert [*controls.sliders] == ["smile/ridge/disentangled", "glasses/ridge", "smile/ridge"]
    assert [each.recommended for each in controls.sliders.values()] == [True, True, False]
    assert controls.uncalibrated == 1
    assert "Few samples wear them." in controls.sliders["glasses/ridge"].warnings


@pytest.mark.parametrize(
    ("per_sd", "valid", "ends", "band"),
    [
        (0.5, [-1.0, 2.0], (-3.0, 6.0), (-2.0, 4.0)),
        (-0.5, [-1.0, 2.0], (-6.0, 3.0), (-4.0, 2.0)),  # turned round
        (0.5, [0.0, 0.5], (-2.0, 2.0), (0.0, 1.0)),
        (0.5, None, (-2.0, 2.0), (0.0, 0.0)),
    ],
)
def test_a_slider_goes_half_as_far_again_as_was_measured_and_two_at_least(catalog, per_sd, valid, ends, band):
    known = catalog["smile"].about.model_copy(update={"strength_per_sd": per_sd, "valid_range": valid})
    found = Control.of(type(catalog["smile"])(known, catalog), recommended=False)
    assert (found.low, found.high) == ends and (found.valid_low, found.valid_high) == band


def test_strengths_of_0_are_none_and_the_rest_have_one_order(controls):
    wanted = {"smile/ridge/disentangled": 1.0, "smile/ridge": 0.0, "glasses/ridge": -2.0}
    assert [*controls.checked(wanted).items()] == [("glasses/ridge", -2.0), ("smile/ridge/disentangled", 1.0)]


@pytest.mark.parametrize(
    ("strengths", "said"),
    [
        ({"smlie": 1.0}, "no direction 'smlie'"),
        ({"component-0/principal-components": 1.0}, "with a strength per standard deviation"),
        ({"glasses/ridge": 2.1}, "'glasses/ridge' can be set from -2 to 2 standard deviations here, and not to 2.1"),
    ],
)
def test_what_cannot_be_set_is_refused(controls, strengths, said):
    with pytest.raises(UserError, match=said):
        controls.checked(strengths)


def test_a_minus_is_none_of_nothing(catalog: DirectionCatalog):
    known = catalog["smile"].about.model_copy(update={"strength_per_sd": -0.5, "valid_range": [0.0, 1.0]})
    found = Control.of(type(catalog["smile"])(known, catalog), recommended=False)
    assert str(found.valid_high) == "0.0"
