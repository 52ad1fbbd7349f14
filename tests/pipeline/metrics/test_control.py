"""Planted random directions: their spread at any norm, how well it is known, and the largest of them."""

import numpy as np
import pandas as pd
import pytest

from pipeline.metrics.control import DOUBTFUL, control_spreads, largest_control


def random_effects(norms: np.ndarray, power: float, rng: np.random.Generator, strengths=(-1.0, 1.0)) -> pd.DataFrame:
    """Effects of random directions, each of a norm of its own, on three attributes with other spreads: normal, by a power.

    Its opposite does the opposite: both signs tell the same.
    """
    spreads = (("smile", 0.1), ("age", 0.02), ("yaw", 0.3))
    drawn = rng.standard_normal((len(norms), len(spreads)))
    rows = [
        (f"control-{i}", s, "j", attribute, np.sign(s) * spread * (abs(s) * norm) ** power * drawn[i, k])
        for i, norm in enumerate(norms)
        for k, (attribute, spread) in enumerate(spreads)
        for s in strengths
    ]
    return pd.DataFrame(rows, columns=["direction", "strength", "judge", "attribute", "effect"])


def named(norms: np.ndarray) -> dict[str, float]:
    return {f"control-{i}": float(x) for i, x in enumerate(norms)}


def test_the_power_of_the_norm_is_found():
    norms = np.repeat([1.0, 2.0, 4.0], 20)
    found = control_spreads(random_effects(norms, 1.7, np.random.default_rng(1)), named(norms))
    assert {spread.power for spread in found.values()} == {found["smile"].power}
    assert found["smile"].power.value == pytest.approx(1.7, abs=0.2)
    assert found["yaw"].at(norms[:1]) > found["smile"].at(norms[:1]) > found["age"].at(norms[:1])
    assert found["smile"].at(np.array([1.0]))[0] == pytest.approx(0.1, rel=0.25)


def test_directions_at_several_strengths_tell_the_power_far_better_than_beside_one_another():
    norms, rng = np.array([1.0] * 4 + [2.0] * 2), np.random.default_rng(2)
    beside_others = control_spreads(random_effects(norms, 1.5, rng), named(norms))["smile"].power
    beside_itself = control_spreads(random_effects(norms, 1.5, rng, (-1.0, 0.5, 1.0)), named(norms))["smile"].power
    assert beside_itself.value == pytest.approx(1.5, abs=0.01) and beside_itself.error < 0.01
    assert 0.1 < beside_others.error < DOUBTFUL, "what was known beforehand counts beside it"


def test_norms_that_are_alike_leave_the_power_as_it_was_known_beforehand():
    norms = np.array([1.0, 1.1, 1.2])
    found = control_spreads(random_effects(norms, 2.0, np.random.default_rng(3)), named(norms))["smile"]
    assert (found.power.value, found.power.error) == (1.0, DOUBTFUL)


def test_the_error_of_the_power_counts_against_what_is_compared():
    """Of norms that are alike the power is 1 +- 1/2: what is carried down shrinks by its root."""
    norms = np.array([1.0] * 5 + [1.2])
    spread = control_spreads(random_effects(norms, 1.0, np.random.default_rng(4)), named(norms))["smile"]
    there, down = spread.at(np.array([1.0, 0.25]))
    assert down == pytest.approx(there / 2, rel=0.1), "by the power 1 - 1/2 and not by 1"
    assert spread.freedom == 3.0, "half a degree of freedom a direction"
    precise = control_spreads(random_effects(norms, 1.0, np.random.default_rng(4), (0.5, 1.0)), named(norms))["smile"]
    there, down = precise.at(np.array([0.5, 0.25]))
    assert down == pytest.approx(there / 2, rel=0.02)


def test_each_direction_is_taken_at_the_norm_that_is_nearest_whatever_the_power():
    """Effects that level off have no power; where they were measured none is needed."""
    norms = np.ones(6)
    table = random_effects(norms, 1.0, np.random.default_rng(8), (1.0, 4.0))
    level = table.assign(effect=table["effect"] / table["strength"])
    at = control_spreads(level, named(norms))["smile"].at(np.array([1.0, 4.0]))
    assert at[0] == pytest.approx(at[1])


def test_beyond_the_largest_norm_the_spread_grows_no_slower_than_was_ever_seen():
    norms = np.array([1.0, 1.0, 2.0])
    spread = control_spreads(random_effects(norms, 1.0, np.random.default_rng(5)), named(norms))["smile"]
    at = spread.at(np.array([2.0, 4.0]))
    assert at[1] >= 4 * at[0]


def test_attributes_that_grow_by_other_powers_make_the_one_power_less_certain():
    norms = np.array([1.0] * 3 + [2.0] * 3)
    alike = random_effects(norms, 1.0, np.random.default_rng(6), (0.5, 1.0))
    unlike = alike.assign(effect=alike["effect"] * alike["strength"] ** (alike["attribute"] == "age").astype(float))
    one, other = (control_spreads(table, named(norms))["smile"].power.error for table in (alike, unlike))
    assert other > 10 * one


def test_without_random_directions_there_are_no_spreads():
    assert control_spreads(random_effects(np.empty(0), 1.0, np.random.default_rng(7)), {}) == {}


def test_the_largest_control_is_the_largest_effect_of_any_random_direction():
    rows = [("a", False, "smile", 9.0), ("r", True, "smile", -0.3), ("r", True, "smile", 0.2), ("r", True, "age", 0.1)]
    table = pd.DataFrame(rows, columns=["direction", "control", "attribute", "effect"])
    assert largest_control(table).to_dict() == {"smile": 0.3, "age": 0.1}
