"""Planted effects: directions are named, ranked and compared by what they do."""

import numpy as np
import pandas as pd
import pytest

from pipeline.metrics.profiles import BEYOND, label, nearest, profile, ranks

STRENGTHS = (-2.0, -1.0, 1.0, 2.0)


def effects(**slopes: float) -> pd.DataFrame:
    """Straight lines; what is under .3 at strength 2 is not significant."""
    rows = [
        (gamma, name, gamma * slope, abs(2 * slope) >= 0.3) for gamma in STRENGTHS for name, slope in slopes.items()
    ]
    table = pd.DataFrame(rows, columns=["strength", "attribute", "effect", "significant"])
    return table.assign(strength=table["strength"].astype(np.float32), significant=table["significant"].astype(object))


def preserved(fine: tuple[bool, ...] = (True,) * 4) -> pd.DataFrame:
    return pd.DataFrame({"strength": np.array(STRENGTHS, np.float32), "realistic": fine})


def scores(**slopes: float) -> pd.DataFrame:
    rows = [(i, g, name, i + g * slope) for i in range(3) for g in (0.0, *STRENGTHS) for name, slope in slopes.items()]
    return pd.DataFrame(rows, columns=["sample_id", "strength", "attribute", "score"])


def of(target: str | None, fine: tuple[bool, ...] = (True,) * 4, **slopes: float) -> dict:
    return profile("v", target, effects(**slopes), preserved(fine), scores(**slopes))


def test_an_unsupervised_direction_is_named_in_the_sense_that_raises_what_it_moves_most():
    row = of(None, smile=0.2, yaw=-0.9, age=0.1)
    assert (row["target"], row["strength"]) == ("yaw", -2)
    assert row["label"] == "yaw +1.8, smile \N{MINUS SIGN}0.4"
    assert row["strength_per_sd"] == pytest.approx(-1 / 0.9) and row["monotonicity"] == 1
    assert (row["on_target"], row["off_target"]) == pytest.approx((1.8, 0.4))
    assert row["usefulness"] == pytest.approx(1.4)


def test_a_supervised_direction_keeps_its_target_even_where_it_fails():
    row = of("smile", smile=-0.5, yaw=0.9)
    assert row["target"] == "smile" and row["strength_per_sd"] is None and row["monotonicity"] == 0
    assert row["label"].startswith("yaw +1.8") and row["usefulness"] == 0
    unknown = of("beard", smile=0.5)
    assert unknown["target"] is None and "label" not in unknown


def test_it_is_described_at_the_farthest_strength_within_reach():
    assert of(None, (True, True, True, False), yaw=0.9)["label"] == "yaw +0.9"
    other_side = of(None, (True, True, False, False), yaw=0.9)
    assert (other_side["strength"], other_side["label"]) == (-2, "yaw \N{MINUS SIGN}1.8"), "what it does there"
    assert (other_side["on_target"], other_side["usefulness"]) == pytest.approx((-1.8, 1.8))
    row = of(None, (False,) * 4, yaw=0.9)
    assert (
        row["label"] == f"yaw +0.9{BEYOND}"
        and row["usefulness"] == 0
        and (row["valid_low"], row["valid_high"]) == (0, 0)
    )


def test_what_does_not_stand_clear_is_not_named():
    assert of(None, yaw=0.1, smile=0.05)["label"] == "nothing that the judge reads"
    assert of(None, yaw=0.1)["usefulness"] == 0
    effect, unknown = pd.Series({"yaw": 0.5, "smile": 0.05}), pd.Series({"yaw": None, "smile": None})
    assert label(effect, unknown) == "yaw +0.5", "without a control, what is large enough"


def test_the_target_is_what_is_clear_rather_than_what_is_largest():
    table = effects(yaw=0.9, skin=0.4)
    table.loc[table["attribute"] == "yaw", "significant"] = False
    assert profile("v", None, table, preserved(), scores(yaw=0.9, skin=0.4))["target"] == "skin"


def test_a_unit_that_lies_where_images_are_no_longer_the_models_own_says_so():
    assert of(None, yaw=0.9)["strength_in_range"] is True
    assert of(None, (True, True, False, False), yaw=0.9)["strength_in_range"] is False
    assert of("smile", smile=-0.5)["strength_in_range"] is None


def test_that_there_is_a_face_is_no_attribute():
    row = of(None, yaw=0.9, smile=0.2, face=-2.0)
    assert (row["target"], row["label"], row["off_target"]) == ("yaw", "yaw +1.8, smile +0.4", 0.4)


def test_missing_effects_are_no_names():
    table = effects(yaw=0.9, roll=0.1)
    table.loc[table["attribute"] == "roll", "effect"] = np.nan
    assert profile("v", None, table, preserved(), scores(yaw=0.9, roll=0.1))["label"] == "yaw +1.8"


def test_ranks_are_by_usefulness_then_by_effect():
    rows = [
        {"direction": "a", "usefulness": 0.0, "on_target": 2.0},
        {"direction": "b", "usefulness": 1.0, "on_target": 1.0},
        {"direction": "c", "usefulness": 0.0, "on_target": 3.0},
        {"direction": "d", "usefulness": None, "on_target": None},
    ]
    assert ranks(rows) == {"b": 1, "c": 2, "a": 3, "d": 4}


def test_the_nearest_direction_over_the_whole_and_at_each_step():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 4, 2, 2))
    mixed = np.stack([-b[0], a[1], np.zeros_like(a[2])])
    found = nearest(-2 * a, {"a": a, "b": b})
    assert found["nearest"] == "a" and found["nearest_cosine"] == pytest.approx(-1) and found["duplicate"]
    np.testing.assert_allclose(found["nearest_cosine_by_step"], [-1, -1, -1])
    by_step = nearest(mixed, {"b": b})["nearest_cosine_by_step"]
    assert by_step[0] == pytest.approx(-1) and abs(by_step[1]) < 1 and by_step[2] == 0
    assert nearest(a, {}) == {}
