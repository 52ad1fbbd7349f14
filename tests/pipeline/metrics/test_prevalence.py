"""How often attributes are there, and who agrees: planted counts and curves come back, and scikit-learn's figures."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from pipeline.metrics.prevalence import Sides, agreement, reliability, rounded, sides

NAN = float("nan")


def test_a_score_at_the_threshold_is_not_above_it_and_a_missing_one_is_nowhere():
    assert sides(np.array([0.5, 0.6, NAN, 0.1]), 0.5) == Sides(above=1, below=2)
    assert sides(np.array([0.5]), NAN) is None and sides(np.array([NAN]), 0.5) is None


@pytest.mark.parametrize(
    ("above", "below", "needed"),
    [(17, 9_983, 60_000), (9_983, 17, 60_000), (40, 960, 2_500), (0, 10_000, 300_000), (0, 300, 10_000)],
)
def test_how_many_images_have_a_hundred_of_a_rare_attribute(above, below, needed):
    assert Sides(above, below).is_rare and Sides(above, below).needed == needed


def test_a_hundred_on_either_side_is_enough():
    assert not Sides(100, 900).is_few and not Sides(100, 900).is_rare


def test_few_images_are_not_a_rare_attribute():
    assert Sides(45, 55).is_few and not Sides(45, 55).is_rare and Sides(45, 55).needed == 220
    assert Sides(19, 81).is_rare and not Sides(20, 80).is_rare


def test_numbers_to_so_many_digits():
    assert [rounded(58_824, digits) for digits in (1, 2, 3)] == [60_000, 59_000, 58_800]
    assert rounded(7, 2) == 7 and rounded(95, 1) == 100


def test_agreement_is_that_of_the_images_that_both_have_scored():
    rng = np.random.default_rng(0)
    one = rng.normal(size=400)
    other = 0.8 * one + 0.6 * rng.normal(size=400) + 5
    both = agreement(np.append(one, [NAN, 9.0]), np.append(other, [9.0, NAN]), (0.0, 5.0))
    assert both.n == 400 and both.r == pytest.approx(np.corrcoef(one, other)[0, 1])
    assert both.kappa == pytest.approx(cohen_kappa_score(one > 0, other > 5))
    assert both.agreed == np.mean((one > 0) == (other > 5))


def test_what_cannot_be_told_of_two_is_missing():
    one, flat = np.arange(4.0), np.ones(4)
    assert np.isnan(agreement(one, flat, (1.5, 0.5)).r) and agreement(one, flat, (1.5, 0.5)).agreed == 0.5
    assert np.isnan(agreement(one, one, (1.5, NAN)).kappa) and agreement(one, one, (1.5, NAN)).r == pytest.approx(1)
    assert np.isnan(agreement(flat, flat, (0.5, 0.5)).kappa) and agreement(flat, flat, (0.5, 0.5)).agreed == 1
    assert agreement(np.full(3, NAN), np.ones(3), (0, 0)).n == 0


def test_labels_by_score_are_the_planted_curve():
    rng = np.random.default_rng(1)
    scores = rng.uniform(-3, 3, 20_000)
    chance = 1 / (1 + np.exp(-scores))
    labels = (rng.uniform(size=20_000) < chance).astype(float)
    labels[::4] = NAN
    found = reliability(scores, labels)
    assert found.n == 15_000 and (np.diff(found.score) > 0).all()
    np.testing.assert_allclose(found.label, 1 / (1 + np.exp(-found.score)), atol=4 * found.error.max())
    assert found.error.min() > 0.005 and 0.8 < found.auc < 0.9
    assert reliability(-scores, labels).auc == pytest.approx(1 - found.auc)


def test_labels_that_are_numbers_have_no_auc_and_few_images_no_curve():
    scores = np.arange(40.0)
    assert np.isnan(reliability(scores, 3 * scores).auc) and reliability(scores, 3 * scores).label[0] == 4.5
    assert reliability(scores[:19], scores[:19]) is None
