"""Planted shares: an edit is realistic, not, or not known to be, as often as it should."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from pipeline.metrics.realism import CHANCE, losses, realistic, realistic_by_edit


def images(precision: np.ndarray, presence: float = 0.97, clipped: float = 0.0) -> pd.DataFrame:
    return pd.DataFrame({"precision": precision.astype(float), "presence": presence, "clipped": clipped})


def found(n: int, share: float, rng: np.random.Generator) -> bool | None:
    """Of an edit whose images lie on the manifold `share` as often as unedited ones, of which 90 % do, each on its own."""
    return realistic(images(rng.random(n) < 0.9 * share), images(rng.random(n) < 0.9))


@pytest.mark.parametrize(
    ("n", "share", "yes", "no"),
    [
        (7, 1.0, (0.0, 0.05), (0.0, 0.15)),
        (
            7,
            0.6,
            (0.0, 0.01),
            (0.65, 0.9),
        ),  # 7 samples told 26 % of these from typical ones when a loss had to be shown
        (28, 1.0, (0.6, 0.85), (0.0, 0.05)),
        (28, 0.8, (0.01, 0.08), (0.3, 0.6)),  # at the border one in twenty is called realistic
        (28, 0.6, (0.0, 0.01), (0.9, 1.0)),
        (100, 1.0, (0.97, 1.0), (0.0, 0.01)),
    ],
)
def test_the_power_to_tell_edits_whose_images_are_less_typical(n, share, yes, no):
    rng = np.random.default_rng(0)
    said = [found(n, share, rng) for _ in range(400)]
    assert yes[0] <= np.mean([each is True for each in said]) <= yes[1]
    assert no[0] <= np.mean([each is False for each in said]) <= no[1]


def test_images_are_asked_each_beside_its_own_counterpart():
    """Samples that were not on the manifold before do not speak against an edit that leaves them where they are."""
    untypical = np.arange(40) % 4 == 0
    assert realistic(images(~untypical), images(~untypical)) is True
    assert realistic(images(~untypical), images(np.roll(~untypical, 1))) is None, "as many, but others"


def test_the_probability_of_presence_counts_as_a_mean_with_its_own_spread():
    whole = np.ones(28)
    assert realistic(images(whole, presence=0.9), images(whole)) is True, "it is lower by little, and in all alike"
    assert realistic(images(whole, presence=0.8), images(whole)) is False
    in_some = images(whole).assign(presence=np.where(np.arange(28) < 3, 0.2, 0.97))
    assert realistic(in_some, images(whole)) is None


@pytest.mark.parametrize("n", [2, 7, 14, 28])
def test_of_an_edit_at_the_border_of_presence_few_samples_say_that_it_is_realistic(n):
    """One image in ten no longer shows what the model is of, the others do for sure."""
    said = 0.0
    for there in range(n + 1):
        edited = images(np.full(n, np.nan)).assign(presence=np.where(np.arange(n) < there, 0.999, 0.0))
        said += binom.pmf(there, n, 0.9) * (realistic(edited, images(np.full(n, np.nan), presence=0.999)) is True)
    assert said <= 0.06
    assert n < 28 or realistic(*2 * [images(np.full(n, np.nan), presence=0.999)]) is True


def test_clipping_is_asked_for_too_and_what_was_not_measured_is_not():
    nothing = np.full(20, np.nan)
    plain = images(nothing, presence=np.nan)
    assert realistic(plain, plain) is True
    assert realistic(plain.assign(clipped=0.2), plain) is False
    assert realistic(plain[:1], plain[:1]) is None, "a single image"


def test_every_edit_is_told_beside_the_unedited_samples_that_it_was_made_of():
    ids = np.arange(28)
    unedited = images(np.ones(28)).assign(direction="unedited", strength_index=-1, sample_id=ids)
    lost = images(np.zeros(28)).assign(direction="v", strength_index=1, sample_id=ids)
    few = images(np.ones(5)).assign(direction="v", strength_index=0, sample_id=ids[:5])
    table = realistic_by_edit(pd.concat([unedited, few, lost]), ["direction", "strength_index"])
    assert table.to_dict() == {("unedited", -1): True, ("v", 0): None, ("v", 1): False}


def preserved(**edit: float) -> pd.DataFrame:
    unedited = {"direction": "unedited", "precision": 0.9, "presence": 0.98, "clipped": 0.01, "n": 100}
    return pd.DataFrame([unedited, {**unedited, "direction": "v", **edit}])


@pytest.mark.parametrize(
    ("edit", "lost"),
    [
        ({}, False),
        ({"precision": 0.7}, False),
        ({"precision": 0.4}, True),
        ({"precision": 0.6, "n": 10}, False),  # may be chance
        ({"presence": 0.8}, True),
        ({"presence": 0.5, "n": 7}, True),
        ({"clipped": 0.2}, True),
        ({"precision": np.nan, "presence": np.nan}, False),  # not measured
    ],
)
def test_a_search_ends_where_something_is_lost_by_more_than_chance(edit, lost):
    assert (losses(preserved(**edit)) > CHANCE).tolist() == [False, lost]


def test_losses_are_in_standard_errors_of_the_worst_that_was_measured():
    [_, found] = losses(preserved(precision=0.5, presence=0.9, n=8))
    assert found == pytest.approx((0.72 - 0.5) / np.sqrt(0.72 * 0.28 / 8))
    assert losses(preserved(clipped=0.2))[1] == np.inf
    assert losses(preserved(precision=np.nan, presence=np.nan))[1] == -np.inf
