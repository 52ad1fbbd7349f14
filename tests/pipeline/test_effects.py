"""Planted scores: effects, clean strengths and controls come out as they were put in."""

import numpy as np
import pandas as pd
import pytest

from pipeline.effects import best_strengths, effects, largest_control, on_and_off_target, transfer

ATTRIBUTES = ("smile", "age")


def edits() -> pd.DataFrame:
    """Twins with different scores; direction a moves smile by 2 and age by 0.5 per unit of strength, the control nothing."""
    twins = {7: (0.0, 10.0), 3: (1.0, 20.0), 5: (-1.0, 30.0)}
    rows = [("unedited", False, 0.0, i, *scores) for i, scores in twins.items()]
    for strength in (-1.0, 1.0):
        for i, (smile, age) in reversed(twins.items()):
            rows.append(("a", False, strength, i, smile + 2 * strength, age + 0.5 * strength + (i == 7)))
            rows.append(("control-0", True, strength, i, smile, age + 0.1))
    return pd.DataFrame(rows, columns=["direction", "control", "strength", "sample_id", *ATTRIBUTES])


@pytest.fixture
def table() -> pd.DataFrame:
    return effects(edits(), ATTRIBUTES, std=np.array([4.0, 2.0]), judge="j")


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


def test_on_target_counts_in_the_direction_of_the_strength(table):
    rows = on_and_off_target(table, {"a": "smile"}).set_index("strength")
    assert rows.loc[-1.0, "on_target"] == rows.loc[1.0, "on_target"] == 0.5
    assert rows.loc[1.0, "off_target"] == pytest.approx((0.5 + 1 / 3) / 2)


def test_the_best_strength_is_the_largest_clean_one(table):
    best = best_strengths(table, {"a": "smile"})
    assert best.loc["a", "strength"] == -1.0 and best.loc["a", "clean"]
    assert not best_strengths(table, {"a": "age"}).loc["a", "clean"]


def test_the_control_is_reported_by_its_largest_effect(table):
    assert largest_control(table).to_dict() == {"age": pytest.approx(0.05), "smile": 0.0}


def own() -> pd.DataFrame:
    """The sample that direction a was found on: smile moves by 3 there; age falls, though it rises on most others."""
    rows = [("unedited", False, 0.0, 40, 1.0, 5.0)]
    rows += [("a", False, s, 40, 1.0 + 3 * s, 5.0 - s) for s in (-1.0, 1.0)]
    return pd.DataFrame(rows, columns=["direction", "control", "strength", "sample_id", *ATTRIBUTES])


def test_transfer_sets_the_own_sample_beside_the_others():
    table = transfer(own(), edits(), ATTRIBUTES, std=np.array([4.0, 2.0]))
    assert set(table["direction"]) == {"a"} and len(table) == 4
    row = pick(table, "a", 1.0, "smile")
    assert (row.sample_id, row.own, row.others, row.same_way, row.n) == (40, 0.75, 0.5, 1.0, 3)
    row = pick(table, "a", -1.0, "age")  # +0.5 on one of the others, -0.5 on two; +1 on its own
    assert (row.own, row.others, row.same_way) == (0.5, pytest.approx(-0.5 / 3 / 2), pytest.approx(1 / 3))
