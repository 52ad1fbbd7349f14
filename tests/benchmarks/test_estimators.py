"""Estimators at equal effect, and what rules get: planted, so that it is known which is the better one."""

import numpy as np
import pandas as pd
import pytest

from benchmarks._compared import WORST
from benchmarks._estimator_tables import at_equal, by_rule, figures, profiles, share_of
from benchmarks._rules import (
    CLEANEST,
    END,
    LARGEST,
    ONE_SD,
    PICKS,
    STRENGTH_RULES,
    TODAY,
    Candidate,
    at_equal_effect,
    challenged,
    only,
    outcomes,
    read_at,
    recommended,
    recommended_strength,
    strength_rules,
)
from benchmarks.estimators import FULL, PLACES, Trial
from pipeline.metrics.response import Response

STRENGTHS = np.array([0.5, 1.0, 2.0])
ESTIMATORS = ("ridge", "linear-discriminant", "logistic", "mean-difference")


def planted(on, off, strengths=STRENGTHS, realistic=None) -> Response:
    """What a direction of `a` does, which moves `b` by `off`, too."""
    effect = pd.DataFrame({"a": np.asarray(on, float), "b": np.asarray(off, float)})
    known = pd.DataFrame(True, index=effect.index, columns=effect.columns)
    fine = np.ones(len(strengths), bool) if realistic is None else np.array(realistic)
    return Response(np.asarray(strengths, float), effect, known, fine, pd.DataFrame(index=effect.index))


def table_of(response: Response, name: str, attribute: str = "a") -> pd.DataFrame:
    """The same as rows of schemas.effects, each with a narrow interval."""
    rows = [
        {
            "direction": name,
            "strength_index": i,
            "strength": strength,
            "attribute": column,
            "effect": value,
            "effect_low": value - 0.01,
            "effect_high": value + 0.01,
            "n": 12,
        }
        for i, strength in enumerate(response.strengths)
        for column, value in response.effect.iloc[i].items()
    ]
    return pd.DataFrame(rows)


def candidate(estimator: str, selection: Response, held_out: Response | None = None) -> Candidate:
    name = f"a/{estimator}"
    return Candidate("a", estimator, selection, table_of(selection, name), held_out or selection)


# Reading at equal effect


def test_a_direction_is_read_where_its_target_has_risen_by_one_standard_deviation():
    found = at_equal_effect(planted([0.4, 0.8, 1.6], [0.0, -0.2, -0.6]), "a")
    assert (found.strength, found.on, found.off) == pytest.approx((1.25, 1.0, 0.3)) and found.reached
    near = at_equal_effect(planted([2.0, 3.0, 4.0], [0.5, 1.0, 2.0]), "a")
    assert (near.strength, near.on, near.off) == pytest.approx((0.25, 1.0, 0.25))


def test_what_does_not_rise_so_far_is_read_where_it_rises_most_and_says_so():
    found = at_equal_effect(planted([0.3, 0.6, 0.2], [0.1, 0.3, 0.9]), "a")
    assert (found.strength, found.on, found.off, found.reached) == (1.0, 0.6, 0.3, False)
    against = at_equal_effect(planted([-0.3, -0.6, -0.9], [0.0, 0.0, 0.0]), "a")
    assert np.exp(against.log_ratio) == pytest.approx(WORST)


def test_where_the_judge_can_read_nothing_any_more_a_direction_fails():
    broken = at_equal_effect(planted([0.4, np.nan, np.nan], [0.1, np.nan, np.nan]), "a")
    assert (broken.strength, broken.on, broken.off, broken.reached) == (0.5, 0.4, 0.1, False)
    nothing = at_equal_effect(planted([np.nan] * 3, [np.nan] * 3), "a")
    assert np.exp(nothing.log_ratio) == pytest.approx(WORST) and not nothing.clean


def test_two_directions_that_differ_in_length_alone_are_equal_at_equal_effect():
    short, long = planted([0.4, 0.8, 1.6], [0.1, 0.2, 0.4]), planted([0.8, 1.6, 3.2], [0.2, 0.4, 0.8])
    assert at_equal_effect(short, "a").log_ratio == pytest.approx(at_equal_effect(long, "a").log_ratio)
    assert read_at(short, "a", 1.0).off != pytest.approx(read_at(long, "a", 1.0).off)


def test_strengths_on_the_other_side_and_those_left_out_do_not_count():
    response = planted([-9, 0.5, 1.0], [9, 0.1, 0.2], strengths=[-1.0, 0.5, 1.0])
    assert at_equal_effect(response, "a").off == pytest.approx(0.2)
    assert list(only(response, (0.5,)).strengths) == [0.5]


def test_strengths_that_rules_choose_among_hold_those_that_all_are_compared_at():
    assert all(set(place.strengths) <= set(place.finer) for place in PLACES)


def test_every_direction_is_measured_once_and_as_far_as_its_estimator_is_followed():
    open_skips = PLACES[1]
    evaluations = Trial(FULL, open_skips, 0).evaluations
    farther = [each for each in evaluations["many"] if max(each.edit.strengths) > max(open_skips.strengths)]
    assert {name.split("/")[1] for each in farther for name in each.edit.names} == {"ridge", "logistic"}
    names = [name for key in ("many", "ruled") for each in evaluations[key] for name in each.edit.names]
    assert len(names) == len(set(names)) == 2 * 6 * 4  # before and after Eq. 12, of each estimator and attribute
    assert [each.edit.names for each in evaluations["ruled"]] == [each.edit.names for each in evaluations["selection"]]
    samples = {kind: {each.edit.ids for each in evaluations[kind]} for kind in evaluations}
    assert not samples["selection"] & (samples["ruled"] | samples["many"] | samples["few"])


# Strength rules


def test_each_strength_rule_takes_its_strength_by_selection_samples():
    found = candidate("ridge", planted([0.6, 1.2, 2.4], [0.1, 0.3, 2.0], realistic=[True, True, False]))
    assert found.strength(LARGEST) == 1.0 and found.strength(END) == 1.0
    assert found.strength(ONE_SD) == pytest.approx(0.5 + 0.5 * 0.4 / 0.6)
    far = candidate("ridge", planted([0.6, 1.2, 2.4], [0.1, 0.3, 2.0]))
    assert far.strength(LARGEST) == 1.0  # the largest clean one
    assert far.strength(END) == 2.0
    assert found.strength(CLEANEST) == far.strength(CLEANEST) == 1.0, (
        "the first moves too little, the last too much else"
    )
    barely = candidate("ridge", planted([0.8, 1.2, 2.4], [0.1, 0.3, 0.79]))
    assert (barely.strength(LARGEST), barely.strength(CLEANEST)) == (2.0, 0.5)
    little = candidate("ridge", planted([0.2, 0.4, 0.3], [0.0, 0.3, 0.2]))
    assert little.strength(CLEANEST) == 1.0, "where nothing moves it, what moves it most"


def test_the_cleanest_that_moves_its_target_is_picked_before_what_is_barely_clean():
    """As the recipe picks, the larger clean effect wins."""
    own = {
        "ridge": candidate("ridge", planted([0.4, 0.84, 0.9], [0.1, 0.18, 0.5])),
        "linear-discriminant": candidate("linear-discriminant", planted([0.5, 1.06, 1.1], [0.2, 0.33, 0.6])),
    }
    assert PICKS[TODAY](own) == "linear-discriminant"
    assert PICKS["the same, the cleanest that moves it"](own) == "ridge"


def test_a_direction_without_a_valid_strength_gets_nothing_from_rules_that_ask_for_one():
    found = candidate("ridge", planted([0.6, 1.2, 2.4], [0.1, 0.3, 0.4], realistic=[False, True, True]))
    assert np.isnan(found.strength(LARGEST)) and np.isnan(found.strength(END))
    assert found.reported(LARGEST).on == 0 and not found.reported(LARGEST).clean
    assert np.isfinite(found.strength(ONE_SD))


def test_what_is_reported_is_read_off_held_out_samples_at_the_strength_that_others_chose():
    found = candidate("ridge", planted([0.5, 1.0, 2.0], [0, 0, 0]), planted([0.2, 0.4, 0.8], [0.3, 0.6, 1.2]))
    assert (found.reported(ONE_SD).strength, found.reported(ONE_SD).on, found.reported(ONE_SD).off) == (1.0, 0.4, 0.6)


# Rules over many attributes


def ruled(off, rng, attributes=6, seeds=2, noise=0.0) -> pd.DataFrame:
    """Outcomes of attributes whose estimators move something else by `off` at one standard deviation, times noise of its own."""
    rows = []
    for attribute in range(attributes):
        own = dict(off) if noise == 0 else {name: value * rng.lognormal(0, noise) for name, value in off.items()}
        for seed in range(seeds):

            def response(name: str, own: dict[str, float] = own) -> Response:
                each = own[name] * (rng.lognormal(0, noise) if noise else 1.0)
                return planted(STRENGTHS, each * STRENGTHS)

            candidates = [candidate(name, response(name), response(name)) for name in ESTIMATORS]
            found = outcomes(candidates, model="planted", seed=seed)
            rows += [{**row, "attribute": str(attribute)} for row in found]
    return pd.DataFrame(rows)


def test_the_rule_that_takes_the_better_estimator_is_recommended():
    off = {"ridge": 0.5, "linear-discriminant": 0.6, "logistic": 0.2, "mean-difference": 0.9}
    table = ruled(off, np.random.default_rng(0), noise=0.05)
    found = challenged(table)
    assert found["always logistic"].value == pytest.approx(0.4, rel=0.1)
    assert found["always mean difference"].low > 1
    chosen = recommended(found)
    assert "logistic" in chosen or "three" in chosen


def test_of_two_that_are_better_for_half_of_the_attributes_each_the_one_that_chooses_is_recommended():
    rng = np.random.default_rng(1)
    one = {"ridge": 0.9, "linear-discriminant": 0.9, "logistic": 0.2, "mean-difference": 0.9}
    other = {"ridge": 0.3, "linear-discriminant": 0.9, "logistic": 0.9, "mean-difference": 0.9}
    halves = [ruled(off, rng, attributes=9, noise=0.05) for off in (one, other)]
    table = pd.concat([each.assign(model=str(i)) for i, each in enumerate(halves)])
    found = challenged(table)
    assert "three" in recommended(found)
    assert found["always logistic"].high > 1


def test_a_gain_that_is_sure_and_small_changes_nothing():
    off = {"ridge": 0.50, "linear-discriminant": 0.6, "logistic": 0.48, "mean-difference": 0.9}
    found = challenged(ruled(off, np.random.default_rng(2), noise=0.0))
    assert found["always logistic"].value == pytest.approx(0.96) and found["always logistic"].high < 1
    assert recommended(found) == TODAY


def test_where_no_estimator_is_better_nothing_is_recommended_more_often_than_by_chance():
    rng = np.random.default_rng(3)
    attributes, seeds, times = 9, 3, 100
    picks = list(PICKS)
    index = pd.MultiIndex.from_product(
        [["m"], range(seeds), range(attributes), picks], names=["model", "seed", "attribute", "pick"]
    )
    frame = pd.DataFrame(index=index).reset_index().assign(strength_rule=ONE_SD)
    changed = 0
    for _ in range(times):
        of_attribute = rng.normal(0, 0.5, (1, attributes, len(picks)))  # what is repeated by every seed
        values = of_attribute + rng.normal(0, 0.3, (seeds, attributes, len(picks)))
        changed += recommended(challenged(frame.assign(log_ratio=values.ravel()))) != TODAY
    assert changed / times <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / times)


def test_another_strength_rule_is_recommended_only_where_it_is_clean_more_often():
    rng = np.random.default_rng(4)
    rows = [
        {
            "model": "m",
            "seed": seed,
            "attribute": attribute,
            "pick": TODAY,
            "strength_rule": rule,
            "clean": float(rng.random() < (0.9 if rule == ONE_SD else 0.2)),
        }
        for seed in range(3)
        for attribute in range(9)
        for rule in STRENGTH_RULES
    ]
    assert recommended_strength(strength_rules(pd.DataFrame(rows))) == ONE_SD
    same = pd.DataFrame(rows).assign(clean=1.0)
    assert recommended_strength(strength_rules(same)) == LARGEST


# The tables


def directions(shares: dict[tuple[str, bool, str], float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": model,
            "seed": seed,
            "attribute": attribute,
            "estimator": way[0],
            "projected": way[1],
            "samples": way[2],
            "log_ratio": np.log(share * (1 + 0.1 * attribute)),
            "reached": 1.0,
            "halves": np.nan if way[1] else 0.5,
        }
        for model in ("one", "two")
        for seed in range(3)
        for attribute in range(4)
        for way, share in shares.items()
    )


def test_a_share_is_paired_so_that_how_hard_attributes_are_does_not_count():
    table = directions({("ridge", True, "many"): 0.2, ("mean-difference", False, "many"): 0.4})
    found = share_of(table, ("ridge", True, "many"), ("mean-difference", False, "many"))
    assert found == pytest.approx((0.5, 0.5, 0.5))


def test_tables_have_a_line_an_estimator_and_a_line_a_rule():
    ways = [(name, *way) for name in ESTIMATORS for way in ((False, "many"), (True, "many"), (True, "few"))]
    head, rows = at_equal(directions(dict.fromkeys(ways, 0.2)), FULL.few, FULL.many)
    assert [row[0] for row in rows] == [name.replace("-", " ") for name in ESTIMATORS]
    assert all(len(row) == len(head) for row in rows)
    assert rows[0][-4:] == [*["1.00 (1.00 to 1.00)"] * 3, "0.50"]
    off = {"ridge": 0.5, "linear-discriminant": 0.6, "logistic": 0.2, "mean-difference": 0.9}
    head, rows = by_rule(ruled(off, np.random.default_rng(6), attributes=2))
    assert [row[0] for row in rows] == list(PICKS) and all(len(row) == len(head) for row in rows)
    assert dict(zip([row[0] for row in rows], rows, strict=True))["always logistic"][5].startswith("0.20")


def test_figures_say_what_was_planted():
    off = {"ridge": 0.5, "linear-discriminant": 0.6, "logistic": 0.2, "mean-difference": 0.9}
    rules = ruled(off, np.random.default_rng(5), noise=0.02)
    ways = {("ridge", True, "many"): 0.2, ("mean-difference", False, "many"): 0.4, ("ridge", True, "few"): 0.3}
    components = pd.DataFrame(
        {
            "method": ["principal-components", "matched-components"],
            "largest": [1.0, 1.2],
            "focus": [0.5, 0.4],
        }
    )
    found = figures(directions(ways), challenged(rules), strength_rules(rules), components)
    assert found["ridge_over_mean_difference"] == 0.5 and found["few_over_many_samples"] == 1.5
    assert found["matched_gain"] == 1.2
    assert found["rules_that_should_replace_todays"] >= 1


def test_a_component_is_described_by_what_turns_round_with_its_strength():
    rows = pd.DataFrame({"name": ["c"], "method": ["joint-components"], "component": [0], "norm": [2.0]}).set_index(
        "name"
    )
    effects = pd.DataFrame(
        {
            "direction": "c",
            "strength": [-2.0, 2.0] * 2,
            "attribute": ["a", "a", "b", "b"],
            "effect": [-1.0, 1.5, 0.5, 0.5],
        }
    )
    found = profiles(rows, effects).loc["c"]
    assert (found["on"], found["largest"], found["focus"]) == ("a", 1.25, 1.0)
