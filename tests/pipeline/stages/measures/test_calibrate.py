"""Planted curves: what a few samples did is brought to what all would do, and strengths follow."""

import numpy as np
import pandas as pd
import pytest

from pipeline.stages.measures.calibrate import Curves, Seen, _corrected


def table(*points: tuple[float, float], direction: str = "v") -> pd.DataFrame:
    rows = [(direction, "smile", strength, effect) for strength, effect in points]
    return pd.DataFrame(rows, columns=["direction", "attribute", "strength", "effect"])


def row(strength: float | None, target: str | None = "smile", by: str = "rise") -> dict:
    return {
        "direction": "v",
        "target": target,
        "strength_per_sd": strength,
        "strength_by": by,
        "valid_low": -2.0,
        "valid_high": 2.0,
    }


def test_a_trial_is_one_more_point_of_the_curve():
    curves = Curves(table((-2.0, -3.0), (2.0, 2.0)), None, table((0.6, 1.2)))
    assert _corrected(row(1.0), curves, True)["strength_per_sd"] == pytest.approx(0.5)
    assert _corrected(row(1.0), curves, True)["verified"] is True
    assert _corrected(row(-1.0), curves, True)["strength_per_sd"] is None, "on the other side nothing rises"


def test_samples_that_are_moved_more_than_others_are_brought_back():
    """The few are moved by 2.4 where all are by 2, so the 1.2 that they did at .6 is 1 of all."""
    curves = Curves(table((2.0, 2.0)), table((2.0, 2.4)), table((0.6, 1.2)))
    assert _corrected(row(1.0), curves, True)["strength_per_sd"] == pytest.approx(0.6)


@pytest.mark.parametrize("few", [9.0, 0.1, 0.0, -2.0])
def test_samples_that_have_nothing_in_common_with_the_others_say_nothing_of_them(few):
    curves = Curves(table((2.0, 2.0)), table((2.0, few)), table((0.6, 1.2)))
    assert _corrected(row(1.0), curves, True)["strength_per_sd"] == pytest.approx(0.5)


def test_a_trial_that_does_not_get_there_takes_the_strength_away():
    curves = Curves(table((1.0, 0.6)), None, table((1.6, 0.62)))
    assert _corrected(row(1.67), curves, True)["strength_per_sd"] is None
    nearly = Curves(table((1.0, 0.7)), None, table((1.4, 0.9)))
    assert _corrected(row(1.4), nearly, True)["strength_per_sd"] == pytest.approx(1.6), (
        "a little farther may be believed"
    )


def test_a_target_that_cannot_rise_so_far_is_calibrated_by_its_fall():
    """Up it levels off at .8, as the trial at 1.7 shows; down it goes to -1.5 at -2."""
    curves = Curves(table((-2.0, -1.5), (-1.0, -0.9), (1.0, 0.7)), None, table((1.7, 0.8)))
    found = _corrected(row(1.4), curves, True)
    assert found["strength_per_sd"] == pytest.approx(1 + 0.1 / 0.6) and found["strength_by"] == "fall"
    assert found["verified"] is False and found["strength_in_range"] is True
    verified = _corrected(row(1.1, by="fall"), Curves(curves.all, None, table((-1.1, -0.98))), False)
    assert verified["strength_per_sd"] == pytest.approx(1.1 + 0.9 * 0.02 / 0.52) and (
        verified["verified"],
        verified["strength_in_range"],
    ) == (
        True,
        False,
    )


def test_whether_images_there_are_the_models_own_is_what_the_trial_showed():
    curves = Curves(table((2.0, 2.0)), None, table((0.9, 0.9)))
    assert [_corrected(row(1.0), curves, fine)["strength_in_range"] for fine in (True, False)] == [True, False]
    assert _corrected(row(1.67), Curves(table((1.0, 0.6)), None, table((1.6, 0.62))), True)["strength_in_range"] is None


def test_a_strength_verified_where_it_was_measured_already_is_described_by_the_trial():
    effects = table((1.0, 1.0), (2.0, 2.0), (1.0, 1.2)).assign(significant=True)
    effects["strength"] = effects["strength"].astype(np.float32)
    preserved = pd.DataFrame({"direction": "v", "strength": effects["strength"], "realistic": [False, False, True]})
    described = Seen(effects, preserved, preserved[2:]).described(row(1.0))
    assert (described["valid_low"], described["valid_high"], described["label"]) == (0, 1, "smile +1.2")


def test_without_a_strength_or_a_target_nothing_changes():
    curves = Curves(table((1.0, 0.6)), None, table((1.6, 5.0)))
    assert _corrected(row(None), curves, True) == row(None)
    assert _corrected(row(1.0, None), curves, True) == row(1.0, None)
