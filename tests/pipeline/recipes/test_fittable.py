"""What cannot be fitted is told with its numbers, one attribute at a time, and takes no other with it."""

import dataclasses

import numpy as np
import pandas as pd

from pipeline.annotators.pixels import Pixels
from pipeline.engine.stage import Stage
from pipeline.recipes.fittable import _in_scores, _incomplete, untold, without_border
from tests.pipeline.planted_generator import PlantedAnnotator

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
        high=20 + np.exp(table["fine"]),
        rare=-table["fine"],
        apart=table["fine"] + 0.1 * RNG.standard_normal(len(table)),
    )
    found = _in_scores(table, THRESHOLDS | {"high": 21.0}, needed=40)
    same = "it puts the samples in the order that fine puts them in, or in the reverse"
    assert found == {"high": same, "rare": same}


def test_what_others_say_together_is_left_out():
    table = scores()[["fine", "other"]].assign(apart=lambda each: each["fine"] - 2 * each["other"] + 0.3)
    assert _in_scores(table, THRESHOLDS, needed=40) == {"apart": "fine, other together say all that it says"}


def test_an_attribute_without_a_threshold_has_no_sides_in_sketches():
    annotator = PlantedAnnotator()
    assert without_border(annotator, annotator.attributes) == ()
    assert [each.name for each in without_border(Pixels(), Pixels.attributes)] == list(Pixels.attributes)


def test_who_is_scored_too_rarely_is_named():
    found = _incomplete(("a", "b"), 3, 60, pd.Series({"a": 60, "b": 55, "c": 3}))
    assert found["a"] == found["b"] == "3 of 60 samples have every score of the annotator, and c is scored in 3"


@dataclasses.dataclass(frozen=True)
class Classifier(Stage):
    """Of planted figures."""

    auc: tuple[tuple[float, ...] | None, ...]
    n: int


def test_an_attribute_that_h_does_not_tell_is_left_out_with_its_numbers(monkeypatch):
    """Chance goes up to .56 at the best of many steps; of few samples nothing is known, and nothing is left out."""

    def rows(_, classifiers):
        return [
            {"attribute": name, "auc_extremes_by_step": auc, "n_positive": each.n, "n_negative": each.n}
            for each in classifiers
            for name, auc in zip(("noise", "told", "late"), each.auc, strict=True)
        ]

    monkeypatch.setattr("pipeline.recipes.fittable.read_rows", rows)
    figures = ((0.48, 0.56), (0.91, 0.95), (0.5, 0.8))
    [found] = untold((Classifier(figures, 64),), None)
    assert (found.what, found.name) == ("attribute", "noise")
    assert "an AUC of 0.56 at its best step" in found.why and "at most 0.64" in found.why
    assert untold((Classifier(figures, 6),), None) == ()
    assert untold((Classifier(figures, 64), Classifier(((0.9,), None, None), 64)), None) == (), "one of them tells it"
    assert untold((Classifier((None, None, None), 64),), None) == ()
