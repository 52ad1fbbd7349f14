"""How well an attribute is told: of planted signals what is known of them, and of noise half, however few the positives are."""

import numpy as np
import pytest
from scipy.stats import norm, spearmanr
from sklearn.metrics import r2_score, roc_auc_score

from pipeline.estimators.linear import classifiers
from pipeline.estimators.selection import folds, select, sides
from pipeline.estimators.told import (
    BY_CHANCE,
    Quality,
    above_chance,
    auc_by_chance,
    auc_within,
    quality,
    rank_by_chance,
    rank_correlation_within,
)
from tests.pipeline.planted_h import Span


def told(
    strength: float, seed: int, loss: str, positives: int, attributes: int = 8, n: int = 200, d: int = 300
) -> list[Quality]:
    """Of attributes that each shift h along an axis of its own, by `strength` standard deviations of the noise, or not at all.

    So many samples have an attribute, not all of them in one fold; a score says who, and how much it shows says nothing.
    """
    rng, fold = np.random.default_rng(seed), folds(range(n * seed, n * (seed + 1)), 5)
    has = rng.random((n, attributes)).argsort(axis=0).argsort(axis=0) < positives
    has = has[:, [len(np.unique(fold[who])) > 1 for who in has.T]]
    scores = np.where(has, 1.0, -1.0) * rng.uniform(0.5, 1, has.shape)
    h = rng.standard_normal((n, d))
    h[:, : has.shape[1]] += strength * has
    of_h = Span(h.astype(np.float32))
    held_out = classifiers(of_h.z, sides(scores) if loss == "logistic" else scores, fold, loss).held_out
    return [
        quality(held_out[:, a], scores[:, a], select(scores[:, a], positives), fold, loss) for a in range(has.shape[1])
    ]


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("positives", [5, 12, 25])
def test_noise_is_told_by_half_and_not_above_chance(loss, positives):
    """Pooled over folds, decisions on the same samples have an AUC of .28 to .43."""
    every = [each for seed in range(12) for each in told(0, seed, loss, positives)]
    for name in ("auc_all", "auc_extremes"):
        found = np.array([getattr(each, name) for each in every])
        found = found[~np.isnan(found)]  # of 5 extremes on either side, sometimes no two of one fold
        assert found.mean() == pytest.approx(0.5, abs=3 * found.std() / np.sqrt(len(found))), name
    assert np.mean([each.told > each.by_chance for each in every]) <= 0.03


@pytest.mark.parametrize("strength", [1.0, 2.0, 3.0])
def test_decisions_along_a_planted_axis_have_its_known_auc(strength):
    """Two normal distributions that far apart; of decisions that know the axis, whatever zero each fold has."""
    rng = np.random.default_rng(0)
    above, fold = rng.random(20_000) < 0.3, folds(range(20_000), 5)
    decisions = rng.standard_normal(20_000) + strength * above + 10 * fold
    found = auc_within(decisions, above, ~above, fold)
    assert found == pytest.approx(norm.cdf(strength / np.sqrt(2)), abs=0.01)
    assert found > auc_by_chance(above, ~above, fold)


@pytest.mark.parametrize("strength", [1.0, 2.0])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_classifiers_that_find_a_planted_axis_have_its_known_auc(loss, strength):
    every = [each for seed in range(3) for each in told(strength, seed, loss, 300, attributes=2, n=1000, d=8)]
    known = norm.cdf(strength / np.sqrt(2))
    assert np.mean([each.auc_all for each in every]) == pytest.approx(known, abs=0.02)
    assert all(each.told > each.by_chance for each in every)


def test_one_fold_is_scikit_learn_s_auc_and_ties_count_half():
    rng = np.random.default_rng(0)
    above, decisions, one = rng.random(300) < 0.2, rng.integers(0, 9, 300).astype(float), np.zeros(300, int)
    assert auc_within(decisions, above, ~above, one) == pytest.approx(roc_auc_score(above, decisions))
    assert auc_within(np.zeros(300), above, ~above, one) == 0.5
    scores = rng.standard_normal(300)
    assert rank_correlation_within(decisions, scores, one) == pytest.approx(spearmanr(decisions, scores).statistic)
    assert rank_correlation_within(np.zeros(300), scores, one) == 0


def test_only_pairs_of_one_fold_are_compared():
    fold, above = np.array([0, 0, 1, 1, 1, 2]), np.array([True, False, True, False, False, True])
    decisions = np.array([0.1, 0.0, 9.1, 9.2, 9.0, -5])
    assert auc_within(decisions, above, ~above, fold) == pytest.approx(2 / 3)  # in order: 1 of 1, and 1 of 2
    nobody = np.zeros(6, bool)
    assert np.isnan(auc_within(decisions, above, nobody, fold)) and np.isnan(auc_by_chance(above, nobody, fold))
    assert rank_correlation_within(decisions, decisions + 100 * (2 - fold), fold) == 1


def test_limits_of_chance_are_kept_by_random_decisions_and_by_those_that_folds_share():
    """The worst that folds can do is to agree wholly: one direction, whose sign each fold has from the others."""
    rng = np.random.default_rng(0)
    fold, above = folds(range(150), 5), np.arange(150) < 12
    scores = rng.standard_normal(150)
    limits = auc_by_chance(above, ~above, fold), rank_by_chance(scores, fold)
    alone, shared, ranks = [], [], []
    for _ in range(2000):
        h = rng.standard_normal(150)
        alone.append(auc_within(h, above, ~above, fold))
        ranks.append(rank_correlation_within(h, scores, fold))
        sign = [np.sign(h[above & (fold != k)].mean() - h[~above & (fold != k)].mean()) for k in range(5)]
        shared.append(auc_within(h * np.array(sign)[fold], above, ~above, fold))
    assert np.mean(np.array(alone) > limits[0]) <= BY_CHANCE and np.mean(np.array(ranks) > limits[1]) <= BY_CHANCE
    assert np.mean(np.array(shared) > limits[0]) <= 1.5 * BY_CHANCE
    assert limits[0] == pytest.approx(0.5 + np.sqrt(2) * norm.isf(0.01) * np.std(alone), rel=0.05)
    assert limits[1] == pytest.approx(np.sqrt(2) * norm.isf(0.01) * np.std(ranks), rel=0.05)


def test_above_chance_is_a_mean_over_the_steps():
    assert above_chance(np.array([0.5, 0.9]), 0.65)
    assert not above_chance(np.array([0.5, 0.7]), 0.65)
    assert not above_chance(np.array([0.9, 0.9]), np.nan) and not above_chance(np.array([np.nan]), 0.65)


def test_quality_is_of_held_out_samples_and_the_accuracy_of_those_not_selected():
    scores = np.array([-4.0, -3, -0.5, -0.4, 0.3, 0.6, 5, 6, np.nan])
    decisions = np.array([-1.0, -1, 0.2, -0.1, 0.5, 0.4, 1, 1, 9])
    fold = np.zeros(9, int)
    found = quality(decisions, scores, select(scores, 2), fold, "logistic")
    assert found.accuracy == 0.75 and np.isnan(found.r2)
    assert found.auc_extremes == 1 and found.told == found.auc_all == roc_auc_score(scores[:8] > 0, decisions[:8])

    ridge = quality(decisions + 20, scores + 20, select(scores, 2), fold, "squared", np.nan)
    assert ridge.r2 == pytest.approx(r2_score(scores[:8], decisions[:8]))
    assert ridge.accuracy == 0.75
    assert np.isnan(ridge.auc_all) and ridge.told == ridge.rank_correlation
    assert ridge.rank_correlation == pytest.approx(spearmanr(decisions[:8], scores[:8]).statistic)
    assert ridge.by_chance == pytest.approx(np.sqrt(2) * norm.isf(0.01) / np.sqrt(7))

    everywhere = quality(decisions + 20, scores + 20, select(scores, 4), fold, "squared", 0.0)
    assert np.isnan(everywhere.accuracy) and np.isnan(everywhere.auc_all), "all are above 0"
