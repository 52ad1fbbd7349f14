"""Planted truth: h in which a known direction carries an attribute must give that direction back. And scikit-learn agrees."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score, roc_auc_score

from pipeline import span
from pipeline.linear import (
    ClassSums,
    auc,
    classifiers,
    difference_weights,
    discriminants,
    folds,
    mean_difference,
    quality,
    refit,
    select,
    sides,
    solve,
    strata,
)


def planted(n: int = 1500, d: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """h (n, d) in which two correlated attributes move along two known unit directions; scores (n, 2)."""
    rng = np.random.default_rng(seed)
    truth = np.linalg.qr(rng.standard_normal((d, 2)))[0].T
    scores = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], n)
    h = 2 * scores @ truth + 0.3 * rng.standard_normal((n, d))
    return h.astype(np.float32), scores, truth


class Span:
    """h (n, d) in coordinates, and the way back."""

    def __init__(self, h: np.ndarray):
        self.h = h
        self.mean, self.std = span.moments(h)
        self.X = (h.astype(np.float64) - self.mean) / self.std
        self.z, self.weights = span.coordinates(span.gram(h, self.mean, self.std))

    def standardised(self, w: np.ndarray) -> np.ndarray:
        return span.combine(w @ self.weights, self.h, self.mean, self.std).astype(np.float64)

    def displacements(self, w: np.ndarray) -> np.ndarray:
        return self.standardised(w) * self.std

    def normals(self, w: np.ndarray) -> np.ndarray:
        return self.standardised(w) / self.std


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


# Selections


def test_missing_scores_are_never_selected():
    scores = np.array([np.nan, 3.0, 1.0, np.nan, 2.0, 0.0])
    selection = select(scores, 2)
    assert selection.positives.tolist() == [1, 4] and selection.negatives.tolist() == [5, 2]
    assert (selection.threshold_positive, selection.threshold_negative) == (2.0, 1.0)


@pytest.mark.parametrize("n", [0, -1, 3])
def test_too_few_scores_are_refused_with_the_numbers(n):
    with pytest.raises(ValueError, match="there are 4"):
        select(np.array([np.nan, 3.0, 1.0, np.nan, 2.0, 0.0]), n)


@given(st.lists(st.integers(0, 3), min_size=8, max_size=40), st.integers(1, 4))
def test_selection_is_disjoint_ordered_and_repeatable(scores, n):
    values = np.array(scores, float)
    selection = select(values, n)
    assert not set(selection.positives) & set(selection.negatives)
    assert values[selection.positives].min() >= values[selection.negatives].max()
    assert np.array_equal(selection.positives, select(values, n).positives)


def test_ties_are_broken_by_row():
    selection = select(np.zeros(6), 2)
    assert selection.positives.tolist() == [5, 4] and selection.negatives.tolist() == [0, 1]


def correlated_labels(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Like `planted`, but of attributes that are there or not, as logits: two thirds of those with the one have the other."""
    rng = np.random.default_rng(seed)
    truth = np.linalg.qr(rng.standard_normal((60, 2)))[0].T
    one = rng.random(n) < 0.5
    labels = np.stack([one, np.where(rng.random(n) < 2 / 3, one, ~one)], axis=1)
    h = 3 * labels @ truth + 0.3 * rng.standard_normal((n, 60))
    return h, np.where(labels, 4.0, -4.0) + rng.standard_normal((n, 2)), truth


def test_matched_differences_are_far_less_entangled_than_those_of_equation_11():
    h, scores, truth = correlated_labels()
    for a, b in ((0, 1), (1, 0)):
        plain = mean_difference(h, select(scores[:, a], 300))
        matched = mean_difference(h, select(scores[:, a], 300, strata(scores[:, [b]])))
        assert cosine(plain, truth[b]) > 0.25
        assert abs(cosine(matched, truth[b])) < 0.02
        assert cosine(matched, truth[a]) > 0.99


@pytest.mark.parametrize("n", [1, 40, 200])
def test_every_cell_gives_as_many_positives_as_negatives(n):
    _, scores, _ = correlated_labels(n=1000)
    rng = np.random.default_rng(1)
    cells = strata(np.column_stack([scores[:, 1], rng.standard_normal(1000)]))
    selection = select(scores[:, 0], n, cells)
    assert len(selection.positives) == len(set(selection.positives)) == n
    np.testing.assert_array_equal(cells[selection.positives], cells[selection.negatives])
    assert scores[selection.positives, 0].min() == selection.threshold_positive
    assert selection.threshold_positive > selection.threshold_negative == scores[selection.negatives, 0].max()


def test_with_one_cell_matching_changes_nothing():
    scores = np.random.default_rng(0).standard_normal(50)
    plain, matched = select(scores, 10), select(scores, 10, np.zeros(50, int))
    np.testing.assert_array_equal(matched.positives, plain.positives)
    np.testing.assert_array_equal(matched.negatives, plain.negatives)


def test_a_cell_that_lacks_one_side_gives_nothing():
    scores = np.array([5.0, 4.0, 3.0, -3.0, -4.0, -5.0, 6.0, 7.0])
    cells = np.array([0, 0, 0, 0, 0, 0, 1, 1])  # the highest two stand alone
    selection = select(scores, 2, cells)
    assert selection.positives.tolist() == [0, 1] and selection.negatives.tolist() == [5, 4]
    with pytest.raises(ValueError, match="Within 2 cells .* 2 pairs .* 3 are needed"):
        select(scores, 3, cells)  # row 2 lies in the lower half


def test_scores_all_alike_make_no_pairs():
    with pytest.raises(ValueError, match="there are 0 pairs"):
        select(np.zeros(10), 2, np.zeros(10, int))


def test_strata_split_at_the_threshold_or_else_at_the_median():
    logit, rare, age = np.array([-2.0, -1, 1, 2] * 10), np.full(40, -3.0), np.arange(40.0)
    rare[0] = 1
    cells = strata(np.column_stack([logit, rare, age]), [0.0, 0.0, np.nan])
    np.testing.assert_array_equal(cells & 1, logit > 0)
    np.testing.assert_array_equal(cells >> 1 & 1, rare > -3)  # at the median
    np.testing.assert_array_equal(cells >> 2, age > 19.5)
    logit[3] = np.nan
    assert strata(logit[:, None])[3] == -1
    assert 3 not in select(age, 15, strata(logit[:, None])).positives


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


# The solver

LOSSES = ("logistic", "squared")


def small(n: int = 120, d: int = 200, seed: int = 0) -> tuple[Span, np.ndarray]:
    """More features than samples, of spreads far apart, and three correlated scores."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((n, 3)) @ np.array([[1, 0.6, 0], [0, 0.8, 0.3], [0, 0, 1]])
    h = (scores @ rng.standard_normal((3, d)) + 2 * rng.standard_normal((n, d))) * np.logspace(-1, 1, d) + 1
    return Span(h.astype(np.float32)), scores


@pytest.mark.parametrize("C", [1e-6, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_fits_are_those_of_scikit_learn(loss, C):
    """Whether the regulariser rules or the samples can be told apart entirely."""
    of_h, scores = small()
    y = sides(scores + 0.5) if loss == "logistic" else scores + 0.5
    counts = np.random.default_rng(1).integers(0, 3, y.shape).astype(float)
    w, b = solve(of_h.z, y, counts, np.full(3, C), loss)
    found = of_h.standardised(w)
    for a in range(3):
        if loss == "logistic":
            theirs = LogisticRegression(C=C, tol=1e-9, max_iter=1000, solver="newton-cholesky")
        else:
            theirs = Ridge(alpha=1 / C, solver="cholesky")
        theirs.fit(of_h.X, y[:, a], sample_weight=counts[:, a])
        assert relative_error(found[a], theirs.coef_.ravel()) < 1e-5
        assert cosine(found[a], theirs.coef_.ravel()) > 0.999999
        assert b[a] == pytest.approx(float(np.ravel(theirs.intercept_)[0]), abs=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_weight_of_0_is_a_row_left_out_and_of_2_a_row_twice(loss):
    of_h, scores = small()
    y = sides(scores) if loss == "logistic" else scores
    counts = np.random.default_rng(2).integers(0, 3, len(y))
    drawn, C = np.repeat(np.arange(len(y)), counts), np.full(3, 0.01)
    weighted = solve(of_h.z, y, np.repeat(counts[:, None], 3, axis=1), C, loss)
    repeated = solve(of_h.z[drawn], y[drawn], np.ones((len(drawn), 3)), C, loss)
    for ours, theirs in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_problems_do_not_mind_each_other(loss, monkeypatch):
    """Columns with regularisers far apart converge at different times; chunks of them end where they will."""
    of_h, scores = small()
    y, C = (sides(scores) if loss == "logistic" else scores)[:, [0, 1, 2, 0, 1]], np.array([1e-5, 1.0, 1e-2, 30, 1e-4])
    ones = np.ones_like(y)
    alone = [solve(of_h.z, y[:, [j]], ones[:, [j]], C[[j]], loss)[0][0] for j in range(5)]
    monkeypatch.setattr("pipeline.linear.PROBLEMS", 3)
    assert relative_error(solve(of_h.z, y, ones, C, loss)[0], np.stack(alone)) < 3e-6


@pytest.mark.parametrize("loss", LOSSES)
def test_a_missing_label_weighs_nothing_and_one_class_has_no_answer(loss):
    of_h, scores = small()
    y = sides(scores[:, :2]) if loss == "logistic" else scores[:, :2].copy()
    y[7] = np.nan
    there = np.ones((len(y), 2))
    there[7] = 0
    C = np.full(2, 0.1)
    w, b = solve(of_h.z, y, np.ones_like(there), C, loss)
    expected = solve(of_h.z, np.nan_to_num(y), there, C, loss)[0]
    np.testing.assert_allclose(w, expected, rtol=1e-9, atol=1e-12)

    y[:, 1] = 1
    w, b = solve(of_h.z, y, there, C, loss)
    assert np.isnan(w[1]).all() and np.isnan(b[1])
    np.testing.assert_allclose(w[0], expected[0], rtol=1e-6, atol=1e-9)


def test_coordinates_may_be_tensors():
    of_h, scores = small()
    z, y, fold = torch.from_numpy(of_h.z), sides(scores), folds(range(120), 3)
    np.testing.assert_array_equal(discriminants(z, scores, 0.5), discriminants(of_h.z, scores, 0.5))
    for field in ("coefficients", "C", "held_out"):
        ours, theirs = (getattr(classifiers(each, y, fold, "logistic"), field) for each in (z, of_h.z))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_what_is_not_finite_or_not_known_is_refused():
    of_h, scores = small()
    with pytest.raises(ValueError, match="'hinge': expected one of logistic, squared"):
        solve(of_h.z, sides(scores), np.ones((120, 3)), np.ones(3), "hinge")
    of_h.z[3, 3] = np.nan
    for loss in LOSSES:
        with pytest.raises(ValueError, match="not finite"):
            solve(of_h.z, sides(scores), np.ones((120, 3)), np.ones(3), loss)


# Classifiers


def test_folds_are_even_and_do_not_move_when_samples_are_added():
    few, many = folds(range(500), 5), folds(np.arange(5000), 5)
    np.testing.assert_array_equal(many[:500], few)
    assert few[:12].tolist() == [4, 1, 3, 4, 2, 1, 2, 4, 1, 3, 0, 2]  # for ever
    assert np.bincount(many).min() > 900 and len(np.bincount(many)) == 5


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


@pytest.mark.parametrize("loss", LOSSES)
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
        best = losses.mean(axis=0).argmin()
        assert found.C[a] == grid[best]
        np.testing.assert_allclose(found.held_out[:, a], decisions[:, best], rtol=1e-4, atol=1e-4)
    weights, _ = solve(of_h.z, y, np.ones_like(y), found.C, loss)
    np.testing.assert_allclose(found.coefficients, weights)


def test_held_out_decisions_know_nothing_of_their_own_sample():
    rng = np.random.default_rng(0)
    of_h, noise = Span(rng.standard_normal((200, 400)).astype(np.float32)), rng.standard_normal((200, 1))
    fitted = classifiers(of_h.z, noise, folds(range(200), 5), "squared", [1.0])
    selection = select(noise[:, 0], 60)
    by_heart = (of_h.z @ fitted.coefficients.T)[:, 0]
    assert auc(by_heart, selection) > 0.95  # more numbers than samples: anything can be learned by heart
    assert 0.3 < auc(fitted.held_out[:, 0], selection) < 0.7


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


def test_sides_are_of_the_threshold_or_the_median():
    scores = np.array([[-1.0, 1], [0.5, 2], [2, np.nan], [3, 3]])
    found = sides(scores, [0.5, np.nan])
    np.testing.assert_array_equal(found, [[0, 0], [0, 0], [1, np.nan], [1, 1]])
    np.testing.assert_array_equal(sides(scores)[:, 0], [0, 1, 1, 1])


def test_quality_is_of_held_out_samples_and_the_accuracy_of_those_not_selected():
    scores = np.array([-4.0, -3, -0.5, -0.4, 0.3, 0.6, 5, 6, np.nan])
    decisions = np.array([-1.0, -1, 0.2, -0.1, 0.5, 0.4, 1, 1, 9])
    found = quality(decisions, scores, select(scores, 2), "logistic")
    assert (found.n, found.base_rate, found.unselected, found.accuracy_unselected) == (8, 0.5, 4, 0.75)
    assert found.auc == roc_auc_score(scores[:8] > 0, decisions[:8]) and np.isnan(found.r2)

    ridge = quality(decisions + 20, scores + 20, select(scores, 2), "squared", np.nan)
    assert ridge.r2 == pytest.approx(r2_score(scores[:8], decisions[:8]))
    assert (ridge.base_rate, ridge.accuracy_unselected) == (0.5, 0.75)

    everywhere = quality(decisions + 20, scores + 20, select(scores, 4), "squared", 0.0)
    assert everywhere.base_rate == 1 and np.isnan(everywhere.auc) and np.isnan(everywhere.accuracy_unselected)


# Running sums


def summed(h: np.ndarray, scores: np.ndarray, batch: int = 32) -> ClassSums:
    sums = ClassSums(np.zeros(scores.shape[1]))
    for start in range(0, len(h), batch):
        sums.partial_fit(h[start : start + batch], scores[start : start + batch])
    return sums


def test_running_sums_make_what_the_samples_make():
    of_h, scores = small()
    sums = summed(of_h.h, scores)
    mean, std = sums.moments()
    np.testing.assert_allclose(mean, of_h.mean, rtol=1e-12)
    np.testing.assert_allclose(std, of_h.std, rtol=1e-9)
    for a, v in enumerate(sums.mean_differences()):
        above = scores[:, a] > 0
        np.testing.assert_allclose(
            v, of_h.h[above].mean(0, np.float64) - of_h.h[~above].mean(0, np.float64), atol=1e-10
        )
    adjusted = of_h.displacements(discriminants(of_h.z, scores, 1)[0])
    assert relative_error(sums.adjusted_differences(), adjusted) < 1e-5


@pytest.mark.parametrize("shrinkage", [0.01, 0.5, 0.9, 1.0])
def test_discriminants_of_sums_and_all_components_are_those_of_the_samples(shrinkage):
    of_h, scores = small()
    _, s, V = np.linalg.svd(of_h.h - of_h.mean, full_matrices=False)
    found = summed(of_h.h, scores).discriminants(shrinkage, V[:-1], s[:-1] ** 2 / 119)
    assert relative_error(found, of_h.displacements(discriminants(of_h.z, scores, shrinkage)[0])) < 1e-5


def test_what_the_kept_components_leave_out_counts_as_even():
    """h of a few strong components and even noise: those components are all that a discriminant has to know of it."""
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((600, 2))
    h = rng.standard_normal((600, 8)) @ rng.standard_normal((8, 400)) + scores @ rng.standard_normal((2, 400))
    of_h = Span((h + rng.standard_normal((600, 400))).astype(np.float32))
    _, s, V = np.linalg.svd(of_h.h - of_h.mean, full_matrices=False)
    found = summed(of_h.h, scores).discriminants(0.5, V[:12], s[:12] ** 2 / 599)
    for ours, exact in zip(found, of_h.displacements(discriminants(of_h.z, scores, 0.5)[0]), strict=True):
        assert cosine(ours, exact) > 0.99


def test_merged_sums_are_those_of_all_samples():
    of_h, scores = small()
    whole, parts = summed(of_h.h, scores), [summed(of_h.h[rows], scores[rows]) for rows in (slice(50), slice(50, None))]
    merged = ClassSums(np.zeros(3)).merge(ClassSums(np.zeros(3))).merge(parts[0]).merge(parts[1])
    again = ClassSums.from_state(merged.state())
    assert again.n == 120
    for name, array in whole.state().items():
        np.testing.assert_allclose(again.state()[name], array, rtol=1e-12, atol=1e-10)
    empty = ClassSums.from_state(ClassSums(np.zeros(3)).state())
    assert empty.merge(again).n == 120


def test_a_copy_of_the_state_is_not_the_state():
    of_h, scores = small()
    sums = summed(of_h.h[:60], scores[:60])
    restored = ClassSums.from_state(sums.state()).partial_fit(of_h.h[60:], scores[60:])
    assert (restored.n, sums.n) == (120, 60)


def test_a_missing_score_counts_where_the_sample_still_has_a_side():
    of_h, scores = small()
    scores[:10, 1] = np.nan
    sums = summed(of_h.h, scores)
    assert sums.n == 110
    np.testing.assert_array_equal(sums.counts.sum(axis=0), [120, 110, 120])
    above = scores[:, 0] > 0
    expected = of_h.h[above].mean(0, np.float64) - of_h.h[~above].mean(0, np.float64)
    np.testing.assert_allclose(sums.mean_differences()[0], expected, atol=1e-10)
    complete = summed(of_h.h[10:], scores[10:])
    np.testing.assert_allclose(sums.adjusted_differences(), complete.adjusted_differences(), rtol=1e-9)


def test_thresholds_may_leave_a_gap_or_not_be_there():
    of_h, scores = small()
    sums = ClassSums([1.0, 0.5, np.nan], [-1.0, -0.5, np.nan]).partial_fit(of_h.h, scores)
    expected = of_h.h[scores[:, 0] > 1].mean(0, np.float64) - of_h.h[scores[:, 0] <= -1].mean(0, np.float64)
    np.testing.assert_allclose(sums.mean_differences()[0], expected, atol=1e-10)
    assert np.isnan(sums.mean_differences()[2]).all()
    assert np.isfinite(sums.adjusted_differences()).all()


def test_thousands_of_float16_rows_lose_no_digits():
    """Of a mean far from 0, where sums in float32 would lose the spread."""
    rng = np.random.default_rng(0)
    h = (1000 + rng.standard_normal((8000, 3))).astype(np.float16)
    sums = summed(h, rng.standard_normal((8000, 1)), batch=500)
    np.testing.assert_allclose(sums.moments()[0], h.mean(0, np.float64), rtol=1e-12)
    np.testing.assert_allclose(sums.moments()[1], h.std(0, dtype=np.float64), rtol=1e-8)


def test_sums_that_do_not_fit_together_are_refused():
    of_h, scores = small()
    sums = summed(of_h.h, scores)
    with pytest.raises(ValueError, match=r"\(120, 2\): expected \(120, 3\)"):
        sums.partial_fit(of_h.h, scores[:, :2])
    with pytest.raises(ValueError, match="100 numbers a sample cannot be added to sums of 200"):
        sums.partial_fit(of_h.h[:, :100], scores)
    with pytest.raises(ValueError, match="other classes"):
        sums.merge(ClassSums([0.0, 0.0, 1.0]))
