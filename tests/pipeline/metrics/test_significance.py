"""Planted effects and random directions: p-values, false discoveries, and what is significant."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from pipeline.metrics.significance import FALSE, beside_control, p_value, q_values, simes
from tests.pipeline.metrics.planted_null_catalogs import NullCatalogs, Planted, null_catalogs, together

NORMS = {"a": 2.0, **{f"control-{i}": 1.0 for i in range(8)}}


def controls(*values: float, always: float = 0.0) -> pd.DataFrame:
    """Effects of random directions at strength 1 and their opposites."""
    rows = [
        (f"control-{i}", sign, "j", "smile", sign * value + always, 10, 0.1, sign * value)
        for i, value in enumerate(values)
        for sign in (-1.0, 1.0)
    ]
    return pd.DataFrame(rows, columns=["direction", "strength", "judge", "attribute", "effect", "n", "std", "odd"])


def measured(effect: float, std: float = 0.1, strength: float = 0.5, n: int = 10, odd: float = np.nan) -> pd.DataFrame:
    row = {"direction": "a", "control": False, "strength": strength, "judge": "j", "attribute": "smile"}
    return pd.DataFrame([{**row, "effect": effect, "std": std, "n": n, "odd": odd, "odd_std": std, "odd_n": n}])


def beside(table: pd.DataFrame, *values: float, always: float = 0.0) -> pd.Series:
    return beside_control(table, controls(*values, always=always), NORMS).iloc[0]


def test_a_p_value_is_that_of_t_where_only_one_of_the_two_errors_counts():
    effects, none = np.array([0.1, 1.0, 3.0, 10.0, 50.0]), np.full(5, 1e-12)
    control = p_value(effects, np.ones(5), np.full(5, 3.0), none, np.full(5, 27.0))
    np.testing.assert_allclose(control, 2 * student.sf(effects, 3), rtol=3e-3)
    sampling = p_value(effects, none, np.full(5, 3.0), np.ones(5), np.full(5, 27.0))
    np.testing.assert_allclose(sampling[:4], 2 * student.sf(effects[:4], 27), rtol=3e-3)


def test_a_p_value_is_at_least_that_of_either_error_and_falls_with_the_effect():
    effects = np.linspace(0.1, 30, 50)
    both = p_value(effects, np.ones(50), np.full(50, 3.0), np.ones(50), np.full(50, 9.0))
    assert (np.diff(both) < 0).all() and (both > 2 * student.sf(effects, 3)).all()
    assert np.isnan(p_value(np.array([np.nan]), np.ones(1), np.ones(1), np.ones(1), np.ones(1)))[0]


def test_q_values_are_those_of_benjamini_and_hochberg():
    p = np.random.default_rng(0).random(200) ** 3
    np.testing.assert_allclose(q_values(p), false_discovery_control(p))
    holes = q_values(np.array([0.01, np.nan, 0.5]))
    assert holes[0] == pytest.approx(0.02) and np.isnan(holes[1])
    assert np.isnan(q_values(np.full(2, np.nan))).all()


def test_simes_takes_one_small_p_value_and_many_middling_ones():
    assert simes(np.array([0.001, 0.9, 0.8, 0.7])) == pytest.approx(0.004)
    assert simes(np.array([0.02, 0.02, 0.02, np.nan])) == pytest.approx(0.02)
    assert np.isnan(simes(np.array([np.nan])))


def test_the_limit_is_what_one_more_random_direction_stays_under():
    found = beside(measured(0.5), 0.1, 0.3, 0.2, 0.2)  # strength .5 of norm 2: as long as a control
    rms = np.sqrt(np.mean(np.square([0.1, 0.3, 0.2, 0.2])))
    assert found["control_limit"] == pytest.approx(student.ppf(0.995, 2) * rms, rel=1e-6)
    assert found["significant"] is False and beside(measured(9.0), 0.1, 0.3, 0.2, 0.2)["significant"] is True


def test_an_effect_that_may_be_chance_is_not_significant():
    tiny = [0.001] * 6
    assert beside(measured(0.5, std=0.1), *tiny)["significant"] is True
    assert beside(measured(0.5, std=1.0), *tiny)["significant"] is False
    assert beside(measured(0.5, std=np.nan, n=1), *tiny)["significant"] is False


def test_without_a_control_nothing_is_said():
    found = beside(measured(0.5))
    assert np.isnan(found["control_limit"]) and np.isnan(found["q_value"]) and found["significant"] is None


def test_what_moves_one_way_under_any_offset_hides_an_effect_but_not_its_odd_part():
    random = [0.01, -0.02, 0.01, 0.015, -0.01, 0.02]
    one_sign = beside(measured(0.6), *random, always=0.5)
    assert one_sign["significant"] is False, (
        "half of it is what any offset does, and the rest is not told apart from that"
    )
    assert beside(measured(0.6, odd=0.3), *random, always=0.5)["significant"] is True
    assert beside(measured(0.6, odd=0.0), *random, always=0.5)["significant"] is False


def test_among_many_effects_a_middling_one_counts_for_less():
    one = measured(0.1, std=0.01)
    others = pd.concat([measured(0.001, std=0.01).assign(attribute=f"other-{i}") for i in range(50)])
    random = pd.concat(
        [controls(*[0.01] * 8).assign(attribute=name) for name in ["smile", *(f"other-{i}" for i in range(50))]]
    )
    alone = beside_control(one, random, NORMS).iloc[0]
    among = beside_control(pd.concat([one, others]), random, NORMS).iloc[0]
    assert alone["significant"] is True and among["significant"] is False
    assert among["p_value"] == alone["p_value"] and among["q_value"] == pytest.approx(51 * among["p_value"])
    assert among["direction_p_value"] == pytest.approx(among["q_value"]), "all of them are of one direction"


DEMO = Planted(
    28, 28, 14, (-1.0, 0.5, 1.0), (0.5,) * 8 + (1.0,) * 4
)  # as the recommended directions of a run are measured


def check(catalogs: NullCatalogs) -> None:
    """What must hold of catalogs in which nothing is found, and of what is published of them."""
    table = catalogs.of_directions
    n = table["judge"].nunique()
    allowed = FALSE * n + 3 * np.sqrt(FALSE * n)  # by chance
    directions = table.drop_duplicates(["judge", "direction"])
    for rows, of, level in (
        (table, "p_value", 0.01),
        (table, "p_value", 0.001),
        (directions, "direction_p_value", 0.01),
    ):
        shares = (rows[of] <= level).groupby(rows["judge"]).mean()
        assert shares.mean() <= level + 3 * shares.std() / np.sqrt(n), "but by chance"
    assert table.groupby("judge")["significant"].apply(lambda own: own.eq(True).any()).sum() <= allowed
    published = catalogs.published
    clean = published[published["clean"]]
    assert len({name.partition("/")[0] for name in clean.index}) <= allowed and (clean["on_low"] > 0).all()
    error = (published["on_target"] - planted_at(catalogs)).mean()
    assert abs(error) < 4 * published["on_target"].std() / np.sqrt(len(published)), "what chose is not reported"


def planted_at(catalogs: NullCatalogs) -> np.ndarray:
    """What was planted where each direction is published, with the sign of the strength taken out."""
    table, published = catalogs.of_directions, catalogs.published
    names = table["judge"].astype(str) + "/" + table["direction"]
    planted = table.assign(name=names).set_index(["name", "strength_index", "attribute"])["planted"]
    at = [published.index, published["strength_index"].astype(int), published["target"]]
    return planted.reindex(pd.MultiIndex.from_arrays(at)).to_numpy() * np.sign(published["strength"].to_numpy())


def covered(catalogs: NullCatalogs) -> tuple[float, float, float]:
    """The shares of the intervals that hold what was planted: of effects, of published ones, and of ratios."""
    table, published, planted = catalogs.effects, catalogs.published, planted_at(catalogs)
    ratios = table.dropna(subset="ratio_low")
    below = ratios["planted_ratio"] <= ratios["ratio_high"].fillna(np.inf)
    return (
        float(table["planted"].between(table["effect_low"], table["effect_high"]).mean()),
        float(((published["on_low"] <= planted) & (planted <= published["on_high"])).mean()),
        float((below & (ratios["planted_ratio"] >= ratios["ratio_low"])).mean()),
    )


def check_coverage(catalogs: NullCatalogs) -> None:
    effects, published, ratios = covered(catalogs)
    assert (effects, published) == (pytest.approx(0.95, abs=0.02), pytest.approx(0.95, abs=0.03))
    assert ratios >= 0.95, "of whichever other effect is the largest"


@pytest.mark.parametrize("tails", [None, 3.0])
def test_planted_null_catalogs_hold_next_to_nothing_that_is_called_significant_or_clean(tails):
    catalogs = null_catalogs(np.random.default_rng(0), 12, Planted(tails=tails))
    check(catalogs)
    check_coverage(catalogs)
    by_the_rule = catalogs.by_the_rule(3).dropna(subset="strength_index").set_index("direction")["strength_index"]
    published = catalogs.published["strength_index"]
    assert {f"3/{name}": index for name, index in by_the_rule.items()} == {
        name: index for name, index in published.items() if name.startswith("3/")
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "planted",
    [Planted(), Planted(tails=3.0), DEMO, replace(DEMO, tails=3.0), Planted(6, 3, 6, controls=(1.0,) * 8)],
    ids=["fewer", "fewer, heavy tails", "demo", "demo, heavy tails", "few samples"],
)
def test_a_thousand_planted_null_catalogs(planted):
    """Each ten by directions of other norms."""
    rng = np.random.default_rng(1)
    catalogs = together([null_catalogs(rng, 10, planted) for _ in range(100)])
    check(catalogs)
    check_coverage(catalogs)
