"""What cannot be fitted is told with its numbers, one attribute at a time, and takes no other with it."""

import numpy as np
import pandas as pd

from pipeline.recipes.fittable import _in_scores

RNG = np.random.default_rng(0)
THRESHOLDS = {"fine": 0.0, "other": 0.0, "high": 10.0, "rare": 0.0, "apart": 0.0, "borderless": float("nan")}


def scores(n: int = 60) -> pd.DataFrame:
    return pd.DataFrame({name: RNG.standard_normal(n) for name in THRESHOLDS})


def test_an_attribute_with_both_sides_is_fitted_with_a_threshold_or_without():
    assert _in_scores(scores()[["fine", "other", "borderless"]], THRESHOLDS, needed=40) == {}


def test_all_on_one_side():
    found = _in_scores(scores()[["fine", "high"]], THRESHOLDS, needed=40)
    assert found == {
        "high": "0 of 60 scored samples are above 10 and 60 are not; a direction needs at least 5 on either side"
    }


def test_too_few_scores_of_its_own():
    table = scores()[["fine", "rare"]]
    table.loc[5:, "rare"] = np.nan
    assert _in_scores(table, THRESHOLDS, needed=40) == {"rare": "5 of 60 samples have a score, and 40 are needed"}


def test_enough_scores_each_but_not_together():
    """Each lacks other samples: without the one that lacks most, the others have enough."""
    table = scores()[["fine", "other", "apart"]]
    table.loc[:9, "other"] = np.nan
    table.loc[45:, "apart"] = np.nan
    assert _in_scores(table, THRESHOLDS, needed=40) == {
        "apart": "with it, 35 of 60 samples have all scores, and 40 are needed; 45 have its own"
    }


def test_an_attribute_that_nobody_scored_takes_no_other_with_it():
    table = scores()[["fine", "rare"]].assign(rare=np.nan)
    assert list(_in_scores(table, THRESHOLDS, needed=40)) == ["rare"]


def test_an_attribute_that_is_another_once_more():
    """In other units, or turned round; what goes with another only mostly is an attribute of its own."""
    table = scores()[["fine", "other"]]
    table = table.assign(
        high=20 + np.exp(table["fine"]), rare=-table["fine"], apart=table["fine"] + 0.1 * table["other"]
    )
    found = _in_scores(table, THRESHOLDS | {"high": 21.0}, needed=40)
    same = "it puts the samples in the order that fine puts them in, or in the reverse"
    assert found == {"high": same, "rare": same}
