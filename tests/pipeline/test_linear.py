"""Planted truth: h in which a known direction carries an attribute must give that direction back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from pipeline.linear import auc, linear_classifiers, linear_discriminants, mean_difference, select


def planted(n: int = 1500, d: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """h (n, d) in which two correlated attributes move along two known unit directions; scores (n, 2)."""
    rng = np.random.default_rng(seed)
    truth = np.linalg.qr(rng.standard_normal((d, 2)))[0].T
    scores = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], n)
    h = 2 * scores @ truth + 0.3 * rng.standard_normal((n, d))
    return h, scores, truth


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


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


def test_adjusting_separates_what_correlates_in_the_samples():
    h, scores, truth = planted()
    selections = [select(scores[:, a], 200) for a in range(2)]
    for a, v in enumerate(linear_discriminants(h, scores, 1)):
        assert cosine(v, truth[a]) > 0.99
        assert cosine(mean_difference(h, selections[a]), truth[a]) < 0.95


def test_adjusting_finds_directions_that_are_not_orthogonal():
    """Where projecting one difference of means out of the other would overshoot."""
    h, scores, truth = planted(n=4000)
    slanted = np.stack([truth[0], 0.6 * truth[0] + 0.8 * truth[1]])
    h = h + 2 * scores @ (slanted - truth)
    found = linear_discriminants(h, scores, 1)
    assert all(cosine(found[a], slanted[a]) > 0.99 for a in range(2))


def test_without_correlation_adjusting_is_the_difference_of_means():
    rng = np.random.default_rng(3)
    scores = rng.standard_normal((8000, 2))
    h = scores @ rng.standard_normal((2, 20)) + 0.1 * rng.standard_normal((8000, 20))
    plain = mean_difference(h, select(scores[:, 0], 1000))
    assert cosine(linear_discriminants(h, scores, 1)[0], plain) > 0.998


@pytest.mark.parametrize("shrinkage", [0.01, 0.5, 0.9, 1.0])
def test_discriminants_are_what_the_covariance_written_out_gives(shrinkage):
    h, scores, _ = planted(n=50, d=80)
    centred, std = scores - scores.mean(0), h.std(0) + 1e-6
    H = (h - h.mean(0)) / std
    B = np.linalg.lstsq(centred, H, rcond=None)[0]
    S = np.cov((H - centred @ B).T, bias=True)
    S = (1 - shrinkage) * S * 80 / np.trace(S) + shrinkage * np.eye(80)
    expected = np.linalg.solve(S, B.T).T * std
    np.testing.assert_allclose(linear_discriminants(h, scores, shrinkage), expected, rtol=1e-6, atol=1e-9)


def test_a_discriminant_of_two_classes_is_that_of_scikit_learn():
    """Of the same shrunk covariance; the direction alone, since its length is a convention."""
    rng = np.random.default_rng(5)
    labels = np.arange(400) % 2
    h = rng.standard_normal((400, 12)) @ rng.standard_normal((12, 12)) + np.outer(labels, rng.standard_normal(12))
    H = (h - h.mean(0)) / (h.std(0) + 1e-6)
    residual = H - np.stack([H[labels == label].mean(0) for label in (0, 1)])[labels]
    trace = np.square(residual).mean(0).sum()
    # scikit-learn shrinks toward the mean variance; ours is the same once S has trace D
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3, store_covariance=True)
    theirs.fit(H * np.sqrt(12 / trace), labels)
    ours = linear_discriminants(h, labels[:, None].astype(float), 0.3)[0] / (h.std(0) + 1e-6)
    assert cosine(ours, theirs.coef_[0]) > 0.9999


def test_classifiers_separate_what_the_difference_of_means_mixes():
    h, scores, truth = planted(n=6000)
    normals = linear_classifiers(h, scores).normals
    for a in range(2):
        mixed = mean_difference(h, select(scores[:, a], 200))
        assert cosine(normals[a], truth[a]) > 0.99
        assert abs(cosine(normals[a], truth[1 - a])) < 0.1 < cosine(mixed, truth[1 - a])


def test_classifiers_undo_their_standardising():
    """h measured in other units gives the same decisions, so normals shrink where h grows."""
    h, scores, _ = planted(n=300)
    unit = np.logspace(-2, 2, h.shape[1])
    plain, scaled = linear_classifiers(h, scores), linear_classifiers(h * unit, scores)
    np.testing.assert_allclose(scaled.normals * unit, plain.normals, rtol=1e-2, atol=1e-4 * np.abs(plain.normals).max())


def test_held_out_decisions_know_nothing_of_their_own_sample():
    rng = np.random.default_rng(0)
    h, noise = rng.standard_normal((200, 400)), rng.standard_normal((200, 1))
    fitted = linear_classifiers(h, noise)
    selection = select(noise[:, 0], 60)
    assert auc(h @ fitted.normals[0], selection) > 0.95  # more numbers than samples: anything can be learned by heart
    assert 0.3 < auc(fitted.held_out[:, 0], selection) < 0.7


def test_a_planted_attribute_is_told_apart():
    h, scores, _ = planted()
    fitted = linear_classifiers(h, scores)
    assert auc(fitted.held_out[:, 0], select(scores[:, 0], 300)) > 0.99


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
