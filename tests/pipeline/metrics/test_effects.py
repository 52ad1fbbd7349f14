"""Planted scores: effects, clean strengths and controls come out as they were put in."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from pipeline.metrics.effects import (
    best_strengths,
    effects,
    on_and_off_target,
    transfer,
)
from pipeline.metrics.significance import beside_control
from tests.pipeline.planted_effects import indexed

STD = pd.Series({("j", "smile"): 4.0, ("j", "age"): 2.0, ("mtcnn", "smile"): 8.0})


def long(rows: list[tuple]) -> pd.DataFrame:
    """(direction, control, strength, seed, sample_id, smile, age) -> schemas.scores, by the judge j."""
    edit = ["direction", "control", "strength", "seed", "sample_id"]
    wide = pd.DataFrame(rows, columns=[*edit, "smile", "age"])
    return indexed(wide.melt(edit, var_name="attribute", value_name="score").assign(judge="j"))


def edits() -> pd.DataFrame:
    """Counterparts with different scores; direction a moves smile by 2 and age by 0.5 per unit of strength, the control nothing."""
    counterparts = {7: (0.0, 10.0), 3: (1.0 + 2**-30, 20.0), 5: (-1.0, 30.0)}  # scores without steps
    seeds = {7: 0, 3: 1, 5: 1}
    rows = [("unedited", False, 0.0, seeds[i], i, *scores) for i, scores in counterparts.items()]
    for strength in (-1.0, 1.0):
        for i, (smile, age) in reversed(counterparts.items()):
            rows.append(("a", False, strength, seeds[i], i, smile + 2 * strength, age + 0.5 * strength + (i == 7)))
            rows.append(("control-0", True, strength, seeds[i], i, smile, age + 0.1))
    return long(rows)


@pytest.fixture
def table() -> pd.DataFrame:
    return effects(edits(), STD)


def pick(table: pd.DataFrame, direction: str, strength: float, attribute: str) -> pd.Series:
    rows = table[(table.direction == direction) & (table.strength == strength) & (table.attribute == attribute)]
    return rows.iloc[0]


def test_an_effect_is_the_mean_change_in_standard_deviations(table):
    row = pick(table, "a", 1.0, "smile")
    assert (row.raw, row.effect, row["std"], row.n) == (2.0, 0.5, 0.0, 3)
    row = pick(table, "a", -1.0, "age")
    changes = np.array([0.5, -0.5, -0.5])
    assert row.effect == pytest.approx(changes.mean() / 2)
    assert row["std"] == pytest.approx(changes.std(ddof=1) / 2)
    assert row["std_over_seeds"] == pytest.approx(np.std([0.5, -0.5], ddof=1) / 2), "of the means of the two seeds"


def test_the_odd_part_turns_round_with_the_direction_and_the_even_part_does_not(table):
    up, down = (pick(table, "a", strength, "age") for strength in (1.0, -1.0))
    assert (up.odd, down.odd) == (0.25, -0.25) and up.even == down.even == pytest.approx(1 / 3 / 2)
    control = pick(table, "control-0", 1.0, "age")
    assert control.odd == pytest.approx(0) and control.even == pytest.approx(0.05), "it only goes one way"


def test_without_the_opposite_strength_there_is_neither_part():
    scores = edits()
    one_sign = effects(scores[scores["strength"] >= 0], STD)
    assert one_sign["odd"].isna().all() and one_sign["even"].isna().all() and one_sign["effect"].notna().all()


def test_the_interval_stands_beside_the_effect_and_is_wider_by_the_error_of_the_unit(table):
    row = pick(table, "a", -1.0, "age")
    width = 4.3027 * row["std"] / np.sqrt(3)  # t of 2 degrees of freedom
    assert (row.effect_low, row.effect_high) == pytest.approx((row.effect - width, row.effect + width), rel=1e-4)
    unsure = effects(edits(), STD, pd.Series(0.1, index=STD.index))
    smile = pick(unsure, "a", 1.0, "smile")
    assert smile.effect_high == pytest.approx(0.5 + 1.96 * 0.1 * 0.5, rel=1e-3), (
        "the same in every sample, in a unit off by 10 %"
    )


def test_the_ratio_to_the_largest_other_has_an_interval():
    rng = np.random.default_rng(0)
    rows = [("unedited", False, 0.0, 0, i, 0.0, 0.0) for i in range(20)]
    rows += [("a", False, 1.0, 0, i, 4 + rng.normal(), 1 + 0.2 * rng.normal()) for i in range(20)]
    found = effects(long(rows), STD)
    smile, age = (pick(found, "a", 1.0, name) for name in ("smile", "age"))
    assert 1.5 < smile.ratio_low < smile.effect / age.effect < smile.ratio_high < 2.5
    assert age.ratio_low == pytest.approx(1 / smile.ratio_high), "of two attributes one is the other turned round"


def test_judges_are_measured_each_in_its_own_unit():
    other = edits().query("attribute == 'smile'").assign(judge="mtcnn")
    both = effects(pd.concat([edits(), other]), STD).set_index(["judge", "direction", "strength", "attribute"])[
        "effect"
    ]
    assert both["j", "a", 1.0, "smile"] == 2 * both["mtcnn", "a", 1.0, "smile"] == 0.5


def test_missing_scores_are_left_out_and_counted():
    scores = edits()
    scores.loc[(scores["direction"] == "a") & (scores["sample_id"] == 7), "score"] = np.nan
    scores.loc[(scores["direction"] == "unedited") & (scores["sample_id"] == 3), "score"] = np.nan
    row = pick(effects(scores, STD), "a", 1.0, "smile")
    assert (row.n, row.effect) == (1, 0.5)


def test_on_target_counts_in_the_direction_of_the_strength(table):
    rows = on_and_off_target(table, {"a": "smile"}).set_index("strength")
    assert rows.loc[-1.0, "on_target"] == rows.loc[1.0, "on_target"] == 0.5
    assert rows.loc[1.0, "off_target"] == pytest.approx((0.5 + 1 / 3) / 2)


def test_a_target_that_nobody_judged_is_left_out():
    rows = [("a", s, "smile", 0.5 * s) for s in (-1.0, 1.0)] + [("a", s, "age", -0.9) for s in (-1.0, 1.0)]
    table = indexed(pd.DataFrame(rows, columns=["direction", "strength", "attribute", "effect"]))
    for targets in ({"a": "beard"}, {"b": "smile"}, {}):
        assert on_and_off_target(table, targets).empty and best_strengths(table, targets).empty
    table.loc[table["attribute"] == "smile", "effect"] = np.nan
    assert best_strengths(table, {"a": "smile"}).empty


def test_an_attribute_that_never_varies_has_no_unit():
    flat = effects(edits(), pd.Series(STD.to_dict() | {("j", "age"): 0.0}))
    assert flat.loc[flat["attribute"] == "age", "effect"].isna().all()
    assert flat.loc[flat["attribute"] == "smile", "effect"].notna().all()


def yes_or_no(n: int, flipped: int, random_ones: int = 2) -> pd.DataFrame:
    """A judge that says 0 or 1: of n samples that all are a 0 direction a makes so many a 1, and random ones none."""
    rows = [("unedited", False, 0.0, 0, i, 0.0, float(i)) for i in range(n)]
    rows += [("a", False, 1.0, 0, i, float(i < flipped), float(i)) for i in range(n)]
    rows += [(f"control-{j}", True, 1.0, 0, i, 0.0, float(i)) for j in range(random_ones) for i in range(n)]
    return long(rows)


@pytest.mark.parametrize(("p", "n"), [(0.9, 7), (0.97, 14), (0.5, 7), (0.7, 28), (0.9, 3)])
def test_of_a_judge_that_says_yes_or_no_intervals_cover_what_they_say(p, n):
    covered = 0.0
    for flipped in range(n + 1):
        row = pick(effects(yes_or_no(n, flipped), STD.replace(4.0, 1.0)), "a", 1.0, "smile")
        covered += binom.pmf(flipped, n, p) * (row.effect_low <= p <= row.effect_high)
        assert row["std"] == pytest.approx(np.std([1.0] * flipped + [0.0] * (n - flipped), ddof=1))
    assert covered >= 0.95


def test_two_samples_that_both_say_yes_are_no_certainty():
    norms = {"a": 1.0, "control-0": 1.0, "control-1": 1.0}

    def judged(n: int) -> pd.DataFrame:
        table = effects(yes_or_no(n, n), STD.replace(4.0, 0.5))
        return beside_control(table, table[table["control"]], norms)

    few, many = judged(2), judged(28)
    assert pick(few, "a", 1.0, "smile").p_value > 0.1 and not best_strengths(few, {"a": "smile"}).loc["a", "clean"]
    assert pick(many, "a", 1.0, "smile").significant and best_strengths(many, {"a": "smile"}).loc["a", "clean"]


def test_what_else_was_not_measured_is_not_known_to_be_left_alone(table):
    alone = table.assign(effect=table["effect"].where(table["attribute"] == "smile"))
    row = on_and_off_target(alone, {"a": "smile"}).iloc[-1]
    assert row["on_target"] == 0.5 and np.isnan(row["off_target"]) and np.isnan(row["ratio"])
    assert not best_strengths(alone, {"a": "smile"}).loc["a", "clean"]


def test_an_attribute_without_a_score_takes_no_other_s_ratio_with_it():
    scores = edits()
    third = scores[scores["attribute"] == "age"].assign(attribute="pose")
    third["score"] += third["sample_id"] % 2 * (third["strength"] != 0)
    third.loc[(third["direction"] == "a") & (third["strength"] == 1.0), "score"] = np.nan
    unit = pd.concat([STD, pd.Series({("j", "pose"): 1.0})])
    both, without = (effects(each, unit) for each in (pd.concat([scores, third]), scores))
    ends = ["ratio_low", "ratio_high"]
    assert np.isnan(pick(both, "a", 1.0, "pose").effect)
    assert list(pick(both, "a", 1.0, "smile")[ends]) == pytest.approx(
        list(pick(without, "a", 1.0, "smile")[ends]), nan_ok=True
    )


def test_an_effect_the_wrong_way_has_an_interval_below_0(table):
    wrong = table.assign(effect=-table["effect"], effect_low=-table["effect_high"], effect_high=-table["effect_low"])
    row = on_and_off_target(wrong.assign(ratio_low=1.5, ratio_high=2.9), {"a": "smile"}).iloc[0]
    assert row["ratio"] < 0 and (row["ratio_low"], row["ratio_high"]) == (-2.9, -1.5)


def test_the_best_strength_is_the_largest_clean_one(table):
    best = best_strengths(table, {"a": "smile"})
    assert best.loc["a", "strength"] == -1.0 and best.loc["a", "clean"]
    assert not best_strengths(table, {"a": "age"}).loc["a", "clean"]


def test_a_strength_is_not_clean_where_its_target_may_not_move_or_the_control_does_as_much(table):
    def best(**changed: object) -> pd.Series:
        smile = (table["attribute"] == "smile") & (table["direction"] == "a")
        mine = table.assign(effect=table["effect"].where(smile | (table["attribute"] != "age"), 0.0), significant=True)
        for column, value in changed.items():
            mine[column] = mine[column].where(~smile, value)
        return best_strengths(mine, {"a": "smile"}).loc["a"]

    assert best()["clean"] and [best()["on_low"], best()["on_high"]] == pytest.approx([0.5, 0.5])
    across = best(effect_low=-0.1, effect_high=1.1)
    assert not across["clean"] and across["on_low"] < 0
    assert not best(n=1, effect_low=np.nan, effect_high=np.nan)["clean"], "a single sample"
    assert not best(significant=False)["clean"] and best(significant=None)["clean"], "without a control it is not asked"


def test_tables_without_intervals_have_those_of_their_standard_deviations(table):
    older = table.drop(columns=["effect_low", "effect_high", "ratio_low", "ratio_high"]).assign(
        std=0.1, significant=None
    )
    row = on_and_off_target(older, {"a": "smile"}).iloc[0]
    assert row["on_low"] == pytest.approx(0.5 - 4.3027 * 0.1 / np.sqrt(3), rel=1e-4) and np.isnan(row["ratio_low"])


def own() -> pd.DataFrame:
    """The sample that direction a was found on: smile moves by 3 there; age falls, though it rises on most others."""
    return long(
        [("unedited", False, 0.0, 0, 40, 1.0, 5.0)]
        + [("a", False, s, 0, 40, 1.0 + 3 * s, 5.0 - s) for s in (-1.0, 1.0)]
    )


def test_transfer_sets_the_own_sample_beside_the_others():
    table = transfer(own(), edits(), STD)
    assert set(table["direction"]) == {"a"} and len(table) == 4
    row = pick(table, "a", 1.0, "smile")
    assert (row.sample_id, row.own, row.others, row.same_way, row.n) == (40, 0.75, 0.5, 1.0, 3)
    row = pick(table, "a", -1.0, "age")  # +0.5 on one of the others, -0.5 on two; +1 on its own
    assert (row.own, row.others, row.same_way) == (0.5, pytest.approx(-0.5 / 3 / 2), pytest.approx(1 / 3))


def test_transfer_joins_by_the_index_of_a_strength_and_not_by_its_digits():
    """A strength that was rounded on one side only is the same strength."""
    rounded = edits().assign(strength=lambda table: table["strength"] * (1 + 1e-7))
    pd.testing.assert_frame_equal(
        transfer(own(), rounded, STD).drop(columns="strength"), transfer(own(), edits(), STD).drop(columns="strength")
    )
