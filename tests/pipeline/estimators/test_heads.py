"""Linear heads: planted attributes are told, rare ones too, and figures are those of images held out."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pipeline.estimators.heads import calibration_error, fit, held_out, lacking

N, F = 900, 12


@pytest.fixture(scope="module")
def planted():
    """Features, and labels of: a common attribute, a rare one, what nothing tells, a measure; a fifth are not labelled."""
    r = np.random.default_rng(3)
    features = r.normal(size=(N, F)) * np.arange(1, F + 1) + 50
    z = (features - 50) / np.arange(1, F + 1)
    chance = 1 / (1 + np.exp(-(3 * z[:, 0])))
    labels = np.column_stack([r.random(N) < chance, z[:, 1] > 1.6, r.random(N) < 0.5, 2 * z[:, 2] - z[:, 3]]).astype(
        float
    )
    labels[r.random(labels.shape) < 0.2] = np.nan
    return features, labels, np.array([True, True, True, False])


@pytest.fixture(scope="module")
def fitted(planted):
    return fit(*planted, ("common", "rare", "noise", "measure"), np.arange(N))


def test_each_attribute_is_told_by_the_feature_that_it_was_planted_in(fitted):
    heads, _ = fitted
    assert [np.abs(each).argmax() for each in heads.coefficients[[0, 1, 3]]] == [0, 1, 2]


def test_the_figures_are_those_of_images_held_out(fitted, planted):
    features, labels, _ = planted
    heads, (common, rare, noise, measure) = fitted
    out = held_out(np.arange(N))
    assert 0.15 < out.mean() < 0.25 and common.held_out == (out & ~np.isnan(labels[:, 0])).sum()
    assert common.auc > 0.85 and rare.auc > 0.95 and 0.35 < noise.auc < 0.65 and measure.r2 > 0.99
    assert rare.positives < 0.1 * rare.n, "it is rare"
    assert np.isnan([measure.auc, measure.calibration_error, common.r2]).all()
    assert heads(features).shape == labels.shape


def test_what_is_told_no_better_than_by_chance_is_known(fitted):
    _, heads = fitted
    assert [each.above_chance for each in heads] == [True, True, False, True]


def test_by_chance_one_head_in_a_hundred_is_above_it():
    r = np.random.default_rng(0)
    labels = np.column_stack([r.random((600, 60)) < 0.3, r.random((600, 60))]).astype(float)
    binary = np.repeat([True, False], 60)
    _, heads = fit(r.normal(size=(600, 5)), labels, binary, tuple(map(str, range(120))), np.arange(600))
    assert sum(each.above_chance for each in heads) <= 5
    assert all(0.55 < each.by_chance < 0.75 for each in heads[:60]) and heads[60].by_chance < 0.1


def test_classes_are_balanced_and_probabilities_are_calibrated_once_the_prior_is_back(fitted, planted):
    features, labels, _ = planted
    heads, (common, rare, *_) = fitted
    there = labels[:, 1] == 1
    assert (heads(features)[there, 1] > 0).mean() > 0.9, "without balance most of the rare are missed"
    assert rare.prior < -2 and common.calibration_error < 0.12


def test_a_balanced_head_is_that_of_scikit_learn(planted):
    features, labels, binary = planted
    heads, _ = fit(features, labels[:, :1], binary[:1], ("common",), np.arange(N))
    train = ~held_out(np.arange(N)) & ~np.isnan(labels[:, 0])
    z = (features - heads.mean) / heads.scale
    grid = (0.1 / F, 1 / F, 10 / F, 100 / F, 1000 / F)
    theirs = [
        LogisticRegression(C=C, class_weight="balanced", tol=1e-8, max_iter=1000).fit(z[train], labels[train, 0])
        for C in grid
    ]
    apart = [np.linalg.norm(each.coef_[0] - heads.coefficients[0]) / np.linalg.norm(each.coef_[0]) for each in theirs]
    assert min(apart) < 0.02


def test_what_has_too_few_on_a_side_is_told_with_the_numbers():
    labels = np.zeros((200, 2))
    labels[:100, 0] = 1
    labels[0, 1] = 1
    found = lacking(labels, np.array([True, True]), np.arange(200))
    assert list(found) == [1] and " with it and " in found[1]


def test_the_calibration_error_is_the_distance_of_probabilities_from_shares():
    truth = np.tile([1.0, 0, 0, 0], 50)
    assert calibration_error(truth, np.full(200, 0.25)) == pytest.approx(0, abs=0.1)
    assert calibration_error(truth, np.full(200, 0.75)) == pytest.approx(0.5, abs=0.01)
