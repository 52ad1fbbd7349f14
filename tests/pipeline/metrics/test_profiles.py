"""Planted effects: directions are named, ranked and compared by what they do."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.metrics.calibration import Verification
from pipeline.metrics.profiles import (
    NOT_CONFIRMED,
    NOTHING,
    UNREALISTIC,
    confirmed,
    label,
    nearest,
    profile,
    ranks,
    verified,
)
from pipeline.metrics.response import Response
from tests.pipeline.planted_effects import indexed

STRENGTHS = (-2.0, -1.0, 1.0, 2.0)


def effects(**slopes: float) -> pd.DataFrame:
    """Straight lines; what is under .3 at strength 2 is not significant."""
    rows = [
        (gamma, name, gamma * slope, abs(2 * slope) >= 0.3) for gamma in STRENGTHS for name, slope in slopes.items()
    ]
    table = indexed(pd.DataFrame(rows, columns=["strength", "attribute", "effect", "significant"]))
    return table.assign(strength=table["strength"].astype(np.float32), significant=table["significant"].astype(object))


def preserved(fine: tuple[bool, ...] = (True,) * 4) -> pd.DataFrame:
    return indexed(pd.DataFrame({"strength": np.array(STRENGTHS, np.float32), "realistic": fine}))


def scores(**slopes: float) -> pd.DataFrame:
    rows = [(i, g, name, i + g * slope) for i in range(3) for g in (0.0, *STRENGTHS) for name, slope in slopes.items()]
    return indexed(pd.DataFrame(rows, columns=["sample_id", "strength", "attribute", "score"]))


def of(target: str | None, fine: tuple[bool, ...] = (True,) * 4, **slopes: float) -> dict:
    return profile(target, Response.of(effects(**slopes), preserved(fine)), scores(**slopes))


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
        row["label"] == f"yaw +0.9{UNREALISTIC}"
        and row["usefulness"] == 0
        and (row["valid_low"], row["valid_high"]) == (0, 0)
    )


def test_it_says_of_that_strength_whether_it_is_a_template():
    known = preserved((True, True, True, False)).assign(pasted=[0.1, 0.2, 0.3, 0.4], follows=[0.5, 0.6, np.nan, 0.8])
    row = profile(None, Response.of(effects(yaw=0.9), known))
    assert (row["strength"], row["pasted"], row["follows"]) == (1, 0.3, None)
    unknown = of(None, yaw=0.9)
    assert (unknown["pasted"], unknown["follows"]) == (None, None)


def test_what_does_not_stand_clear_is_not_named():
    assert of(None, yaw=0.1, smile=0.05)["label"] == "nothing that the judge reads"
    assert of(None, yaw=0.1)["usefulness"] == 0
    effect, unknown = pd.Series({"yaw": 0.5, "smile": 0.05}), pd.Series({"yaw": None, "smile": None})
    assert label(effect, unknown, None) == "yaw +0.5", "without a control, what is large enough"


@pytest.mark.parametrize("kind", [bool, object])
def test_an_effect_that_is_not_significant_is_of_no_use_however_a_table_was_read(kind):
    """A column without nulls comes back from a file as booleans of another kind."""
    table = effects(smile=0.4, yaw=0.1)
    table["significant"] = pd.Series(False, index=table.index, dtype=kind)
    row = profile("smile", Response.of(table, preserved()))
    assert (row["usefulness"], row["label"]) == (0, "smile +0.8, not told from random directions")


def test_the_target_is_what_is_clear_rather_than_what_is_largest():
    table = effects(yaw=0.9, skin=0.4)
    table.loc[table["attribute"] == "yaw", "significant"] = False
    assert profile(None, Response.of(table, preserved()))["target"] == "skin"


def curves(
    fine: tuple[bool, bool] = (True, True),
    n: int = 6,
    std: float = 0.5,
    significant: bool = True,
    **ends: tuple[float, float],
) -> dict:
    """A profile by effects at strengths -1 and +1 on n samples, all of them (or none) beyond random directions."""
    return profile(None, ends_of(fine, n, std, significant, **ends))


def ends_of(
    fine: tuple[bool, bool] = (True, True),
    n: int = 6,
    std: float = 0.5,
    significant: bool = True,
    **ends: tuple[float, float],
) -> Response:
    """What such a profile is of."""
    rows = [
        (gamma, name, effect) for name, each in ends.items() for gamma, effect in zip((-1.0, 1.0), each, strict=True)
    ]
    table = indexed(pd.DataFrame(rows, columns=["strength", "attribute", "effect"]))
    table = table.assign(significant=significant, std=std, n=n).astype({"significant": object})
    kept = indexed(pd.DataFrame({"strength": [-1.0, 1.0], "realistic": fine}))
    return Response.of(table, kept)


def test_it_is_named_after_what_it_moves_most_over_its_whole_range():
    """And not after whatever happens to be the largest at one end of it."""
    row = curves(smile=(-1.7, 2.8), skin=(0.1, -3.0), std=0.1)
    assert (row["target"], row["turned"]) == ("smile", False)
    assert row["label"] == "smile +2.8, skin \N{MINUS SIGN}3.0"


def test_what_it_moves_both_ways_alike_is_no_name():
    """Any perturbation does that."""
    row = curves(roll=(2.0, 2.1), smile=(-0.8, 0.9), std=0.1)
    assert row["target"] == "smile"


def test_a_range_on_one_side_names_nothing_that_the_other_side_does_as_well():
    """Planted as in the first catalogs: gender falls both ways, skin does not."""
    row = curves((True, False), gender=(-1.72, -1.28), skin=(-1.15, 1.17), std=0.1)
    assert (row["target"], row["turned"]) == ("skin", False)
    assert (row["valid_low"], row["valid_high"], row["strength"]) == (-1, 0, -1)


def test_it_is_named_after_what_is_sure_even_where_random_directions_do_as_much():
    """Planted as in the first catalogs: smile moves by 2.85, and was called skin by 0.6."""
    row = curves(smile=(-2.2, 2.85), skin=(0.5, -0.6), significant=False)
    assert (row["target"], row["label"]) == ("smile", "smile +2.9, not told from random directions")


def test_too_few_samples_name_nothing_and_say_so():
    row = curves(yaw=(-0.2, 1.49), smile=(0.1, 0.2), std=2.0, significant=False)
    assert row["label"] == "too few samples to say, perhaps yaw +1.5" and row["usefulness"] == 0
    assert curves(yaw=(-0.05, 0.05), std=0.1, significant=False)["label"] == "nothing that the judge reads"


def test_nothing_is_said_of_no_attribute_where_another_may_be_moved():
    """Measured on six samples: eyes open by -.76 and 1.05, not quite surely, and yaw, surely, by -.17."""
    table = ends_of(eyes=(-0.76, 1.05), yaw=(0.17, -0.17), std=0.5, significant=False)
    table.error["yaw"] = 0.1
    row = profile(None, table)
    assert (row["target"], row["turned"]) == ("eyes", False)
    assert row["label"] == "eyes +1.1, not told from random directions"
    table.error["eyes"] = 1.1
    row = profile(None, table)
    assert (row["target"], row["label"]) == ("eyes", "too few samples to say, perhaps eyes +1.1")
    of_few = ends_of(eyes=(0.3, 1.4), yaw=(0.45, -0.45), std=3.0, significant=False)
    assert profile(None, of_few)["label"] == "too few samples to say, perhaps eyes +1.4", (
        "the largest, whatever its target"
    )


def test_a_supervised_direction_is_described_by_what_is_sure_and_else_said_to_be_unsure():
    """Planted as in the first catalogs: 2.35 standard deviations on six samples were called nothing."""

    def said(std: float, significant: bool, **ends: tuple[float, float]) -> str:
        return profile("smile", ends_of(std=std, significant=significant, **ends))["label"]

    assert said(0.5, False, smile=(-2.0, 2.35), skin=(0.1, -0.1)) == "smile +2.4, not told from random directions"
    assert said(2.0, False, smile=(-2.0, 2.35), skin=(0.1, -0.1)) == "too few samples to say, perhaps smile +2.4"
    assert said(0.1, False, smile=(-0.1, 0.1), skin=(0.1, -0.1)) == "nothing that the judge reads"
    assert said(0.5, True, smile=(-2.0, 2.35), skin=(0.1, -0.3)) == "smile +2.4, skin \N{MINUS SIGN}0.3"


def test_the_largest_effect_is_not_passed_over_because_it_is_unsure():
    table = ends_of(skin=(1.2, -1.2), age=(1.0, -1.0), eyes=(-1.7, 1.7), std=0.1)
    table.significant["eyes"] = False
    found = label(*(getattr(table, each).iloc[1] for each in ("effect", "significant", "error")))
    assert found == "skin \N{MINUS SIGN}1.2, age \N{MINUS SIGN}1.0, perhaps eyes +1.7"


def test_a_direction_that_lowers_what_it_is_named_after_is_turned_round():
    row = curves(smile=(1.1, -2.0), std=0.1)
    assert (row["target"], row["turned"], row["strength"]) == ("smile", True, -1.0)
    assert row["label"] == "smile +1.1" and row["strength_per_sd"] < 0, "until it is published"
    assert not of("smile", smile=-0.5)["turned"], "a direction of an attribute stays as it was fitted"


def test_a_unit_that_lies_where_images_are_no_longer_the_models_own_says_so():
    assert of(None, yaw=0.9)["strength_in_range"] is True
    assert of(None, (True, True, False, False), yaw=0.9)["strength_in_range"] is False
    assert of("smile", smile=-0.5)["strength_in_range"] is None


def test_missing_effects_are_no_names():
    table = effects(yaw=0.9, roll=0.1)
    table.loc[table["attribute"] == "roll", "effect"] = np.nan
    assert profile(None, Response.of(table, preserved()))["label"] == "yaw +1.8"


# Confirmed on fresh samples


def again(measured: Response, fresh: Response) -> tuple[dict, dict]:
    """A profile before, and by fresh samples."""
    row = profile(None, measured)
    return row, confirmed(row, measured, fresh)


def test_what_is_first_of_many_by_luck_is_not_so_on_fresh_samples():
    """Planted: 30 directions that do nothing, whose effects on 6 samples scatter by the sampling of 6, time and again."""
    generator, names = np.random.default_rng(0), ("smile", "yaw", "age", "hair")

    def null(n: int) -> Response:
        values = generator.standard_normal((n, 2, len(names)))
        means, stds = values.mean(axis=0), values.std(axis=0, ddof=1)
        rows = [
            (g, each, means[i, j], stds[i, j], n) for i, g in enumerate((-1.0, 1.0)) for j, each in enumerate(names)
        ]
        table = indexed(pd.DataFrame(rows, columns=["strength", "attribute", "effect", "std", "n"]))
        kept = indexed(pd.DataFrame({"strength": [-1.0, 1.0], "realistic": True}))
        return Response.of(table.assign(significant=None), kept)

    before, after, called = [], [], []
    for _ in range(6):
        measured = {f"d{i}": null(6) for i in range(30)}
        rows = [{"direction": name, **profile(None, each)} for name, each in measured.items()]
        first = min(ranks(rows).items(), key=lambda each: each[1])[0]
        [row] = [each for each in rows if each["direction"] == first]
        fresh = confirmed(row, measured[first], null(28))
        before.append(abs(row["on_target"]))
        after.append(fresh["on_target"] * np.sign(row["on_target"]))
        called.append(fresh["label"])
    assert np.mean(before) > 0.8, "as large as what directions do that are of use"
    assert abs(np.mean(after)) < 3 / np.sqrt(28 * 6)
    unsure = [each for each in called if each.startswith(("too few samples to say", NOTHING, NOT_CONFIRMED))]
    assert len(unsure) >= 5


def test_a_direction_is_called_what_it_does_to_fresh_samples():
    row, found = again(ends_of(smile=(-2.0, 2.0), yaw=(0.1, 0.1)), ends_of(n=28, smile=(-0.9, 0.9), yaw=(0.2, 0.6)))
    assert row["label"].startswith("smile +2.0") and found["label"] == "smile +0.9, yaw +0.6"
    assert (found["on_target"], found["off_target"]) == pytest.approx((0.9, 0.6))
    assert found["usefulness"] == pytest.approx(0.3) and found["strength_per_sd"] == pytest.approx(1 / 0.9)
    assert (found["strength"], found["target"], found["turned"]) == (row["strength"], "smile", False)
    assert found["verified"] is True, "images were made at about that strength"
    farther = again(ends_of(smile=(-2.0, 2.0)), ends_of(n=28, smile=(-0.6, 0.6)))[1]
    assert farther["strength_per_sd"] == pytest.approx(1 / 0.6) and farther["verified"] is False
    assert again(ends_of(smile=(-2.0, 2.0)), ends_of(n=28, smile=(-0.3, 0.3)))[1]["strength_per_sd"] is None


@pytest.mark.parametrize("sign", [1, -1])
def test_what_moves_its_target_the_other_way_is_not_confirmed(sign):
    measured = ends_of(std=0.1, smile=(-2.0 * sign, 2.0 * sign))
    row, found = again(measured, ends_of(n=28, smile=(0.8 * sign, -0.8 * sign)))
    assert row["turned"] is (sign < 0) and found["turned"] is row["turned"]
    assert found["label"] == f"{NOT_CONFIRMED}smile \N{MINUS SIGN}0.8"
    assert (found["usefulness"], found["strength_per_sd"]) == (0, None)
    unsure = again(measured, ends_of(n=28, std=2.0, smile=(0.8 * sign, -0.8 * sign)))[1]
    assert unsure["label"] == "too few samples to say, perhaps smile \N{MINUS SIGN}0.8"


def test_a_range_ends_where_fresh_samples_are_not_the_models_own():
    measured = ends_of(smile=(-2.0, 2.0))
    found = again(measured, ends_of((True, False), n=28, smile=(-2.0, 2.0)))[1]
    assert found["label"] == f"smile +2.0{UNREALISTIC}" and found["usefulness"] == 0
    assert (found["valid_low"], found["valid_high"], found["strength"]) == (-1, 0, 1)
    other = again(measured, ends_of((False, True), n=28, smile=(-2.0, 2.0)))[1]
    assert other["label"] == "smile +2.0" and (other["valid_low"], other["valid_high"]) == (0, 1)


def test_a_range_that_few_samples_did_not_show_is_shown_by_more():
    row, found = again(ends_of((False, False), smile=(-2.0, 2.0)), ends_of(n=28, smile=(-1.5, 1.5)))
    assert row["label"] == f"smile +2.0{UNREALISTIC}" and (row["valid_low"], row["valid_high"]) == (0, 0)
    assert found["label"] == "smile +1.5" and (found["valid_low"], found["valid_high"]) == (-1, 1)
    assert found["usefulness"] > 0 and found["strength_in_range"] is True


def test_minus_the_strength_counts_where_images_are_the_models_own_alone():
    measured = ends_of(smile=(-2.0, 2.0))
    assert again(measured, ends_of((True, True), n=28, smile=(-2.0, 0.3)))[1]["strength_by"] == "fall"
    assert again(measured, ends_of((False, True), n=28, smile=(-2.0, 0.3)))[1]["strength_per_sd"] is None


@pytest.mark.parametrize("moved, strength", [(1.6, 0.5), (0.6, 1 / 0.6)])
def test_effects_that_level_off_do_so_for_fresh_samples_too(moved, strength):
    """Few samples were moved by 2 at 1 and by 1.25 at .5: where the others are by 1.6, that is 1 at .5; or they are too unlike."""
    measured, tried_at = response((-1.0, -2.0), (1.0, 2.0)), response((0.5, 1.25))
    row = profile(None, measured)
    found = confirmed(row, measured, response((-1.0, -moved), (1.0, moved)), Verification(tried_at))
    assert found["strength_per_sd"] == pytest.approx(strength)
    assert found["verified"] is (moved > 1)


# Verified on images


def response(*points: tuple[float, float], realistic: bool = True) -> Response:
    """(strength, effect on smile)"""
    table = indexed(pd.DataFrame(points, columns=["strength", "effect"])).assign(attribute="smile", significant=True)
    return Response.of(table, table.assign(realistic=realistic))


def row(strength: float | None, target: str | None = "smile", by: str = "rise") -> dict:
    return {"target": target, "strength_per_sd": strength, "strength_by": by}


def tried(
    per_sd: float, measured: Response, trial: Response, few: tuple[float, ...] | None = None, by: str = "rise"
) -> dict:
    on_few = None if few is None else pd.DataFrame({"smile": few}, index=measured.effect.index)
    return verified(row(per_sd, by=by), measured, Verification(trial, on_few))


def test_a_trial_is_one_more_point_of_the_curve():
    measured, trial = response((-2.0, -3.0), (2.0, 2.0)), response((0.6, 1.2))
    found = tried(1.0, measured, trial)
    assert found["strength_per_sd"] == pytest.approx(0.5) and found["verified"] is True
    assert tried(-1.0, measured, trial)["strength_per_sd"] is None, "on the other side nothing rises"


def test_samples_at_about_one_strength_count_alike():
    """As measured of glasses: .98 at .3 on some, 1.59 at .31 on others, and .3003 was said to be one standard deviation."""
    found = tried(0.31, response((0.15, 0.45), (0.3, 0.98), (0.6, 1.6)), response((0.309, 1.59)))
    x, y = (0.3 + 0.309) / 2, (0.98 + 1.59) / 2
    assert found["strength_per_sd"] == pytest.approx(0.15 + (x - 0.15) * (1 - 0.45) / (y - 0.45))


def test_a_verification_counts_as_much_as_it_is_sure_and_one_without_a_score_not_at_all():
    measured, trial = response((-0.3, -0.5), (0.3, 0.98)), response((0.306, 1.6))
    of = [replace(each, error=each.effect * 0 + error) for each, error in ((measured, 0.1), (trial, 0.3))]
    y, x = (0.98 * 9 + 1.6) / 10, (0.3 * 9 + 0.306) / 10
    assert tried(0.31, *of)["strength_per_sd"] == pytest.approx(x / y)
    missing = response((0.306, np.nan))
    assert tried(0.31, measured, missing)["strength_per_sd"] == pytest.approx(0.3 / 0.98)


@pytest.mark.parametrize(("moved", "in_range"), [(0.95, True), (0.62, False)])
def test_a_unit_far_beyond_where_images_are_the_models_own_says_so(moved, in_range):
    table = indexed(pd.DataFrame([(1.0, moved), (4.0, 2.0)], columns=["strength", "effect"]))
    table = table.assign(attribute="smile", significant=True, realistic=[True, False])
    found = profile("smile", Response.of(table, table))
    assert 1 < found["strength_per_sd"] < 2.1 and found["strength_in_range"] is in_range


def test_samples_that_are_moved_more_than_others_are_brought_back():
    """The few are moved by 2.4 where all are by 2, so the 1.2 that they did at .6 is 1 of all."""
    found = tried(1.0, response((2.0, 2.0)), response((0.6, 1.2)), (2.4,))
    assert found["strength_per_sd"] == pytest.approx(0.6)


@pytest.mark.parametrize("few", [9.0, 0.1, 0.0, -2.0])
def test_samples_that_have_nothing_in_common_with_the_others_say_nothing_of_them(few):
    found = tried(1.0, response((2.0, 2.0)), response((0.6, 1.2)), (few,))
    assert found["strength_per_sd"] == pytest.approx(0.5)


def test_a_trial_that_does_not_get_there_takes_the_strength_away():
    assert tried(1.67, response((1.0, 0.6)), response((1.6, 0.62)))["strength_per_sd"] is None
    nearly = tried(1.4, response((1.0, 0.7)), response((1.4, 0.9)))
    assert nearly["strength_per_sd"] == pytest.approx(1.6), "a little farther may be believed"


def test_a_target_that_cannot_rise_so_far_is_calibrated_by_its_fall():
    """Up it levels off at .8, as the trial at 1.7 shows; down it goes to -1.5 at -2."""
    measured = response((-2.0, -1.5), (-1.0, -0.9), (1.0, 0.7))
    found = tried(1.4, measured, response((1.7, 0.8)))
    assert found["strength_per_sd"] == pytest.approx(1 + 0.1 / 0.6) and found["strength_by"] == "fall"
    assert found["verified"] is False and found["strength_in_range"] is True
    found = tried(1.1, measured, response((-1.1, -0.98), realistic=False), by="fall")
    assert found["strength_per_sd"] == pytest.approx(1.05 + 0.95 * 0.06 / 0.56), (
        "of -.9 at -1, and -.98 at -1.1, the mean"
    )
    assert (found["verified"], found["strength_in_range"]) == (True, False)


def test_whether_images_there_are_the_models_own_is_what_the_trial_showed():
    measured = response((2.0, 2.0))
    found = [tried(1.0, measured, response((0.9, 0.9), realistic=fine))["strength_in_range"] for fine in (True, False)]
    assert found == [True, False]
    assert tried(1.67, response((1.0, 0.6)), response((1.6, 0.62)))["strength_in_range"] is None


def test_a_strength_verified_where_it_was_measured_already_is_described_by_the_trial():
    measured = response((1.0, 1.0), (2.0, 2.0), realistic=False)
    described = tried(1.0, measured, response((1.0, 1.2)))
    assert (described["valid_low"], described["valid_high"], described["label"]) == (0, 1, "smile +1.2")


def test_without_a_strength_or_a_target_there_is_nothing_to_verify():
    measured, trial = response((1.0, 0.6)), Verification(response((1.6, 5.0)))
    for untouched in (row(None), row(1.0, None)):
        assert verified(untouched, measured, trial) == untouched


# Beside one another


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


def odd_beside_even(n: int, odd: float, rng: np.random.Generator) -> Response:
    """Direction of which any sign raises A, and B turns round with it; n samples, each change off by 1."""
    changes = np.stack([2.5 * np.abs(STRENGTHS), odd * np.array(STRENGTHS)], axis=1)[:, None] + rng.normal(
        size=(4, n, 2)
    )
    rows = [
        (strength, name, own[:, j].mean(), own[:, j].std(ddof=1), n, True)
        for strength, own in zip(STRENGTHS, changes, strict=True)
        for j, name in enumerate(("A", "B"))
    ]
    columns = ["strength", "attribute", "effect", "std", "n", "significant"]
    return Response.of(indexed(pd.DataFrame(rows, columns=columns)), preserved())


@pytest.mark.parametrize(("n", "share"), [(7, 0.06), (14, 0.02), (28, 0.0)])
def test_what_rises_whatever_the_sign_is_no_name(n, share):
    rng = np.random.default_rng(0)
    named = [profile(None, odd_beside_even(n, 0.35, rng))["target"] for _ in range(100)]
    assert named.count("A") / 100 <= share


def test_of_a_single_sample_nothing_is_sure():
    rng = np.random.default_rng(0)
    alone = odd_beside_even(1, 2.0, rng)
    assert np.isinf(alone.error.to_numpy()).all() and "too few samples" in profile(None, alone)["label"]
