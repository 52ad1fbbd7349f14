"""Planted truth: h in which a known direction carries an attribute must give that direction back. And scikit-learn agrees."""

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge

from pipeline.estimators.linear import (
    classifiers,
    difference_weights,
    discriminants,
    mean_difference,
    refit,
)
from pipeline.estimators.newton_cg import solve
from pipeline.estimators.selection import folds, select, sides
from pipeline.estimators.told import auc_within
from tests.pipeline.planted_h import Span, cosine, relative_error, small


def planted(n: int = 1500, d: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """h (n, d) in which two correlated attributes move along two known unit directions; scores (n, 2)."""
    rng = np.random.default_rng(seed)
    truth = np.linalg.qr(rng.standard_normal((d, 2)))[0].T
    scores = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], n)
    h = 2 * scores @ truth + 0.3 * rng.standard_normal((n, d))
    return h.astype(np.float32), scores, truth


# Displacements


def test_mean_difference_gives_a_planted_direction_back():
    h, scores, truth = planted()
    alone = h - 2 * scores[:, 1:] @ truth[1:]  # the second attribute taken out
    v = mean_difference(alone, select(scores[:, 0], 200))
    assert cosine(v, truth[0]) > 0.99


def test_mean_difference_is_equation_11():
    h = np.arange(12.0).reshape(6, 2) ** 2
    selection = select(np.array([5.0, 1.0, 4.0, 0.0, 3.0, 2.0]), 2)
    expected = sum(h[[0, 2]]) / 2 - sum(h[[3, 1]]) / 2
    np.testing.assert_allclose(mean_difference(h, selection), expected)


def test_weighted_differences_are_those_of_the_samples_that_they_stand_for():
    h, scores, _ = planted(n=100)
    selections = [select(scores[:, a], 20) for a in range(2)]
    counts = np.random.default_rng(0).integers(0, 3, 100)
    found = difference_weights(selections, np.stack([np.ones(100), counts], axis=1)) @ h
    for a, selection in enumerate(selections):
        np.testing.assert_allclose(found[0, a], mean_difference(h, selection), rtol=1e-5)
        sides = [np.repeat(rows, counts[rows]) for rows in (selection.positives, selection.negatives)]
        np.testing.assert_allclose(found[1, a], h[sides[0]].mean(0) - h[sides[1]].mean(0), rtol=1e-3, atol=1e-6)
    nobody = difference_weights(selections, np.zeros((100, 1)))
    assert np.isnan(nobody[0, 0, selections[0].positives]).all()


def test_adjusting_separates_what_correlates_in_the_samples():
    h, scores, truth = planted()
    of_h = Span(h)
    for a, v in enumerate(of_h.displacements(discriminants(of_h.z, scores, 1)[0])):
        assert cosine(v, truth[a]) > 0.99
        assert cosine(mean_difference(h, select(scores[:, a], 200)), truth[a]) < 0.95


def test_adjusting_finds_directions_that_are_not_orthogonal():
    """Where projecting one difference of means out of the other would overshoot."""
    h, scores, truth = planted()
    slanted = np.stack([truth[0], 0.6 * truth[0] + 0.8 * truth[1]])
    of_h = Span((h + 2 * scores @ (slanted - truth)).astype(np.float32))
    found = of_h.displacements(discriminants(of_h.z, scores, 1)[0])
    assert all(cosine(found[a], slanted[a]) > 0.99 for a in range(2))


def written_out(X: np.ndarray, scores: np.ndarray, shrinkage: float) -> np.ndarray:
    """Discriminants of standardised samples with their (D, D) covariance."""
    centred = scores - scores.mean(axis=0)
    X = X - X.mean(axis=0)
    B = np.linalg.lstsq(centred, X, rcond=None)[0]
    S = np.cov((X - centred @ B).T, bias=True)
    S = (1 - shrinkage) * S * X.shape[1] / np.trace(S) + shrinkage * np.eye(X.shape[1])
    return np.linalg.solve(S, B.T).T


@pytest.mark.parametrize("shrinkage", [0.01, 0.5, 0.9, 1.0])
def test_discriminants_are_what_the_covariance_written_out_gives(shrinkage):
    h, scores, _ = planted(n=50, d=80)
    of_h = Span(h)
    found = of_h.displacements(discriminants(of_h.z, scores, shrinkage)[0])
    assert relative_error(found, written_out(of_h.X, scores, shrinkage) * of_h.std) < 1e-5


@pytest.mark.parametrize("shrinkage", [0.1, 1.0])
def test_scores_that_do_not_vary_take_no_part_and_those_that_say_the_same_share(shrinkage):
    h, scores, _ = planted(n=70, d=80)
    weights = np.random.default_rng(0).exponential(size=(70, 3))
    of_h = Span(h)
    alone = discriminants(of_h.z, scores, shrinkage, weights)
    with_constant = discriminants(of_h.z, np.column_stack([scores, np.full(70, 255.3)]), shrinkage, weights)
    assert relative_error(with_constant[:, :-1], alone) < 1e-6 and not with_constant[:, -1].any()
    twice = discriminants(of_h.z, np.column_stack([scores, 1e-3 * scores[:, 0] + 7]), shrinkage, weights)
    assert relative_error(twice[:, 1:-1], alone[:, 1:]) < 1e-6
    assert relative_error(2 * twice[:, 0], alone[:, 0]) < 1e-6
    assert relative_error(2e-3 * twice[:, -1], alone[:, 0]) < 1e-6


@pytest.mark.parametrize("shrinkage", [0.1, 1.0])
def test_weighted_discriminants_are_those_of_the_samples_that_they_stand_for(shrinkage):
    h, scores, _ = planted(n=70, d=80)
    of_h = Span(h)
    counts = np.random.default_rng(0).integers(0, 3, 70)
    drawn = np.repeat(np.arange(70), counts)
    found = discriminants(of_h.z, scores, shrinkage, np.stack([np.ones(70), counts], axis=1))
    expected = written_out(of_h.X[drawn], scores[drawn], shrinkage)
    assert relative_error(of_h.standardised(found[1]), expected) < 1e-5
    np.testing.assert_allclose(found[:1], discriminants(of_h.z, scores, shrinkage), rtol=1e-5, atol=1e-9)


def test_a_missing_score_leaves_the_sample_out_of_the_discriminants():
    h, scores, _ = planted(n=70, d=80)
    z, there = Span(h).z, np.arange(70) != 5
    left_out = discriminants(z, scores, 0.5, there[:, None].astype(float))
    scores[5, 1] = np.nan
    np.testing.assert_allclose(discriminants(z, scores, 0.5), left_out, rtol=1e-6, atol=1e-9)


def test_a_discriminant_of_two_classes_is_that_of_scikit_learn():
    """Of the same shrunk covariance; the direction alone, since its length is a convention."""
    rng = np.random.default_rng(5)
    labels = np.arange(400) % 2
    h = rng.standard_normal((400, 12)) @ rng.standard_normal((12, 12)) + np.outer(labels, rng.standard_normal(12))
    of_h = Span(h.astype(np.float32))
    residual = of_h.X - np.stack([of_h.X[labels == label].mean(0) for label in (0, 1)])[labels]
    trace = np.square(residual).mean(0).sum()
    # scikit-learn shrinks toward the mean variance; ours is the same once S has trace D
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3).fit(of_h.X * np.sqrt(12 / trace), labels)
    ours = of_h.standardised(discriminants(of_h.z, labels[:, None].astype(float), 0.3)[0])[0]
    assert cosine(ours, theirs.coef_[0]) > 0.999999


# Classifiers


def test_coordinates_may_be_tensors():
    of_h, scores = small()
    z, y, fold = torch.from_numpy(of_h.z), sides(scores), folds(range(120), 3)
    np.testing.assert_array_equal(discriminants(z, scores, 0.5), discriminants(of_h.z, scores, 0.5))
    for field in ("coefficients", "C", "held_out"):
        ours, theirs = (getattr(classifiers(each, y, fold, "logistic"), field) for each in (z, of_h.z))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize(("loss", "at_least"), [("squared", 0.95), ("logistic", 0.8)])
def test_classifiers_separate_what_the_difference_of_means_mixes(loss, at_least):
    """Labels say less than scores, and so does a normal that is fitted to them."""
    h, scores, truth = planted(n=1000)
    of_h, y = Span(h), sides(scores) if loss == "logistic" else scores
    normals = of_h.normals(classifiers(of_h.z, y, folds(range(1000), 5), loss).coefficients)
    for a in range(2):
        mixed = mean_difference(h, select(scores[:, a], 200))
        assert cosine(normals[a], truth[a]) > at_least
        assert abs(cosine(normals[a], truth[1 - a])) < 0.1 < 0.5 < cosine(mixed, truth[1 - a])


def test_classifiers_undo_their_standardising():
    """h measured in other units gives the same decisions, so normals shrink where h grows."""
    h, scores, _ = planted(n=300)
    unit = np.logspace(-2, 2, h.shape[1])
    of_h, scaled = Span(h), Span((h * unit).astype(np.float32))
    one, other = (
        each.normals(solve(each.z, scores, np.ones((300, 2)), np.full(2, 0.01), "squared")[0])
        for each in (of_h, scaled)
    )
    assert relative_error(other * unit, one) < 1e-5


@pytest.mark.parametrize("loss", ["logistic", "squared"])
def test_choice_and_held_out_decisions_are_those_of_a_loop_over_scikit_learn(loss):
    of_h, scores = small()
    scores[::7, 1] = np.nan
    y = sides(scores) if loss == "logistic" else scores
    grid, fold = (1e-4, 1e-2, 1.0), folds(range(120), 4)
    found = classifiers(of_h.z, y, fold, loss, grid)
    for a in range(3):
        there, decisions = ~np.isnan(y[:, a]), np.empty((120, 3))
        for k in range(4):
            for c, C in enumerate(grid):
                rows = there & (fold != k)
                if loss == "logistic":
                    model = LogisticRegression(C=C, tol=1e-9, max_iter=1000, solver="newton-cholesky")
                    decisions[fold == k, c] = model.fit(of_h.X[rows], y[rows, a]).decision_function(of_h.X[fold == k])
                else:
                    model = Ridge(alpha=1 / C).fit(of_h.X[rows], y[rows, a])
                    decisions[fold == k, c] = model.predict(of_h.X[fold == k])
        f, truth = decisions[there], y[there, a][:, None]
        losses = np.logaddexp(0, f) - truth * f if loss == "logistic" else (truth - f) ** 2
        assert found.C[a] == grid[losses.mean(axis=0).argmin()]
        for k in range(4):
            chosen = losses[fold[there] != k].mean(axis=0).argmin()  # by the other folds
            expected = decisions[fold == k, chosen]
            np.testing.assert_allclose(found.held_out[fold == k, a], expected, rtol=1e-4, atol=1e-4)
    weights, _ = solve(of_h.z, y, np.ones_like(y), found.C, loss)
    np.testing.assert_allclose(found.coefficients, weights)


def test_held_out_decisions_know_nothing_of_their_own_sample():
    rng = np.random.default_rng(0)
    of_h, noise = Span(rng.standard_normal((200, 400)).astype(np.float32)), rng.standard_normal((200, 1))
    fold = folds(range(200), 5)
    fitted = classifiers(of_h.z, noise, fold, "squared", [1.0])
    above = noise[:, 0] > 0
    by_heart = (of_h.z @ fitted.coefficients.T)[:, 0]
    assert (
        auc_within(by_heart, above, ~above, fold) > 0.95
    )  # more numbers than samples: anything can be learned by heart
    assert 0.35 < auc_within(fitted.held_out[:, 0], above, ~above, fold) < 0.65


def test_the_default_regularisers_know_neither_units_nor_the_number_of_steps():
    of_h, scores = small()
    one, many = (classifiers(z, scores, folds(range(120), 5), "squared") for z in (of_h.z, np.sqrt(10) * of_h.z))
    np.testing.assert_allclose(one.held_out, many.held_out, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(one.C, 10 * many.C)


def test_too_few_of_a_class_are_refused_with_the_numbers():
    of_h, scores = small()
    y = sides(scores)
    y[:, 1] = 0
    y[3, 1] = 1
    with pytest.raises(ValueError, match="Attribute 1 has the labels 119 of 0 and 1 of 1"):
        classifiers(of_h.z, y, folds(range(120), 5), "logistic")


def test_refitting_on_all_samples_is_the_fit_and_on_others_another():
    of_h, scores = small()
    fitted = classifiers(of_h.z, sides(scores), folds(range(120), 5), "logistic")
    half = np.arange(120) % 2
    weights = np.stack([np.ones(120), half, np.zeros(120)], axis=1)
    normals = refit(of_h.z, sides(scores), "logistic", fitted.C, weights)
    np.testing.assert_allclose(normals[0], fitted.coefficients, rtol=1e-5, atol=1e-9)
    alone = solve(of_h.z[1::2], sides(scores[1::2]), np.ones((60, 3)), fitted.C, "logistic")[0]
    np.testing.assert_allclose(normals[1], alone, rtol=1e-4, atol=1e-7)
    assert np.isnan(normals[2]).all()
