"""Planted directions: what is reported of the best of many strengths is not larger for having been chosen."""

import numpy as np
import pandas as pd
import pytest

from pipeline.metrics.best import chosen, farthest, inside, preferred, reported
from pipeline.metrics.effects import best_strengths, effects
from tests.pipeline.planted_effects import indexed

ATTRIBUTES = ("smile", "age", "gender", "yaw", "glasses")
STRENGTHS = (-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0)
WIDE = (-2.0, 2.0)


def measured(rng: np.random.Generator, names: dict[str, str], n: int, slope: float = 0.0) -> pd.DataFrame:
    """schemas.effects of n samples, whose scores all change by chance, and the target by `slope` a unit of strength."""
    rows = [
        (name, attribute, gamma, i, score)
        for name, target in names.items()
        for attribute in ATTRIBUTES
        for gamma in STRENGTHS
        for i, score in enumerate(rng.normal(slope * gamma * (attribute == target), 1.0, n))
    ]
    columns = ["direction", "attribute", "strength", "sample_id", "score"]
    edited = indexed(pd.DataFrame(rows, columns=columns))
    first = edited.drop_duplicates(["attribute", "sample_id"])
    unedited = first.assign(direction="unedited", strength=0.0, strength_index=-1, score=0.0)
    table = pd.concat([unedited, edited]).assign(judge="judge", control=False, seed=0)
    std = pd.Series(1.0, index=pd.MultiIndex.from_product([["judge"], ATTRIBUTES], names=["judge", "attribute"]))
    return effects(table, std)


def best_of(selection: pd.DataFrame, names: dict[str, str], valid: dict[str, tuple[float, float]]) -> pd.DataFrame:
    return pd.DataFrame(chosen(selection, names, valid))


def test_null_directions_move_their_targets_by_nothing_on_average_where_they_are_reported():
    """The best of eight strengths on the samples that it is reported on moves its target by far more than nothing."""
    rng = np.random.default_rng(0)
    names = {f"null-{i}": ATTRIBUTES[i % len(ATTRIBUTES)] for i in range(120)}
    selection, report = measured(rng, names, 14), measured(rng, names, 28)
    best = best_of(selection, names, dict.fromkeys(names, WIDE))
    apart, same = reported(report, names, best), best_strengths(report, names)
    error = apart["on_target"].std() / np.sqrt(len(names))
    assert abs(apart["on_target"].mean()) < 3 * error
    assert same["on_target"].mean() > 6 * error and best["selection_on_target"].mean() > 6 * error
    assert (apart["ratio"] > 1).mean() < 0.25 < (same["ratio"] > 1).mean()
    assert apart["clean"].mean() <= 0.025 and not (apart["clean"] & (apart["on_target"] >= 1)).any()


def test_the_better_of_two_null_estimators_is_no_better_where_it_is_reported():
    rng = np.random.default_rng(1)
    names = {f"{attribute}/{i}/{kind}": attribute for i in range(12) for attribute in ATTRIBUTES for kind in "ab"}
    selection, report = measured(rng, names, 14), measured(rng, names, 28)
    best = best_of(selection, names, dict.fromkeys(names, WIDE))
    rows = best.set_index("direction").rename(columns=lambda name: name.removeprefix("selection_"))
    rows = rows.assign(target=[name.rpartition("/")[0] for name in rows.index], projected=True, usable=True)
    winners = [*preferred(rows).values()]
    on_target = reported(report, names, best)["on_target"]
    assert len(winners) == 60
    assert abs(on_target[winners].mean()) < 3 * on_target.std() / np.sqrt(len(winners))
    assert rows.loc[winners, "on_target"].mean() > rows["on_target"].mean()


def test_real_directions_are_found_and_reported_as_they_are():
    rng = np.random.default_rng(2)
    names = {f"real-{i}": ATTRIBUTES[i % len(ATTRIBUTES)] for i in range(30)}
    selection, report = measured(rng, names, 14, slope=1.5), measured(rng, names, 28, slope=1.5)
    found = reported(report, names, best_of(selection, names, dict.fromkeys(names, WIDE)))
    assert (found["strength"].abs() >= 1.5).all() and found["clean"].all()
    assert (found["on_target"] / found["strength"].abs()).mean() == pytest.approx(1.5, abs=0.05)
    assert set(found["n"]) == {28} and set(found["selection_n"]) == {14}


def test_a_strength_beyond_the_valid_range_is_never_chosen():
    rng = np.random.default_rng(3)
    names = {"smile/ridge": "smile", "age/ridge": "age", "yaw/ridge": "yaw"}
    valid = {"smile/ridge": (-0.5, 1.0), "age/ridge": (0.0, 0.0), "yaw/ridge": (0.0, np.float32(1.5) * (1 - 1e-7))}
    selection, report = measured(rng, names, 14, slope=1.5), measured(rng, names, 28, slope=1.5)
    best = best_of(selection, names, valid)
    assert best["strength"].tolist()[0] == 1.0 and best["strength"].tolist()[2] == 1.5
    assert pd.isna(best["strength_index"].iloc[1]) and best["selection_on_target"].iloc[1] > 2
    assert list(reported(report, names, best).index) == ["smile/ridge", "yaw/ridge"]


def test_without_selection_samples_no_effect_chooses():
    table = measured(np.random.default_rng(4), {"smile/ridge": "smile"}, 6, slope=1.5)
    rows = list(farthest(table, {"smile/ridge": "smile"}, {"smile/ridge": (-1.5, 1.0)}))
    assert [(row["strength"], row["chosen_by"], row.get("selection_n")) for row in rows] == [(-1.5, "farthest", None)]
    both = list(farthest(table, {"smile/ridge": "smile"}, {"smile/ridge": WIDE}))
    assert both[0]["strength"] == 2.0
    found = reported(table, {"smile/ridge": "smile"}, pd.DataFrame(rows).assign(selection_n=np.nan))
    assert found["strength"].tolist() == [-1.5] and np.isnan(found["selection_n"].iloc[0])


def test_what_is_in_no_table_of_best_strengths_is_chosen_as_before():
    """A catalog of a release that chose on the samples that it reported."""
    names = {"smile/ridge": "smile", "age/ridge": "age"}
    table = measured(np.random.default_rng(5), names, 28, slope=1.5)
    found, before = reported(table, names, None), best_strengths(table, names)
    assert found["strength"].equals(before["strength"]) and set(found["selection_n"]) == {0}
    mixed = reported(table, names, best_of(table, {"age/ridge": "age"}, {"age/ridge": WIDE}))
    assert list(mixed.index) == list(names) and mixed["selection_n"].tolist() == [0, 28]
    assert reported(table, {}, None).empty


def test_an_effect_within_its_own_error_is_not_clean():
    table = measured(np.random.default_rng(6), {"smile/ridge": "smile"}, 4, slope=1.5)
    table = table.assign(effect_low=table["effect"] - 9.0, effect_high=table["effect"] + 9.0)
    assert not reported(table, {"smile/ridge": "smile"}, None)["clean"].any()


def test_the_direction_to_use_has_a_strength_and_is_disentangled_on_the_most_samples():
    columns = ["target", "usable", "projected", "n", "clean", "on_target", "off_target"]
    rows = {
        "no strength": ("smile", False, True, 28, True, 9.0, 0.1),
        "few samples": ("smile", True, True, 6, True, 3.0, 0.1),
        "as it was fitted": ("smile", True, False, 28, True, 2.9, 0.1),
        "clean": ("smile", True, True, 28, True, 1.2, 0.3),
        "larger, not clean": ("smile", True, True, 28, False, 2.0, 1.0),
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    assert preferred(table) == {"smile": "clean"}
    assert preferred(table.drop(index="clean")) == {"smile": "larger, not clean"}
    assert preferred(table.loc[["no strength"]]) == {"smile": "no strength"}


def test_strengths_that_went_through_float32_are_inside_their_own_range():
    strengths = np.array([0.1, 0.7, 1.3], np.float32).astype(float)
    assert inside(strengths, (0.0, 0.7)).tolist() == [True, True, False]
