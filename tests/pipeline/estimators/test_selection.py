"""Selections, sides and folds: of scores that are missing, tied, too few or correlated, and the same for ever."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.estimators.linear import mean_difference
from pipeline.estimators.selection import folds, select, sides, strata
from tests.pipeline.planted_h import cosine


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
    """h (n, 60) in which two attributes that are there or not move along two known unit directions; their logits (n, 2).

    Two thirds of those with the one have the other.
    """
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


def test_sides_are_of_the_threshold_or_the_median():
    scores = np.array([[-1.0, 1], [0.5, 2], [2, np.nan], [3, 3]])
    found = sides(scores, [0.5, np.nan])
    np.testing.assert_array_equal(found, [[0, 0], [0, 0], [1, np.nan], [1, 1]])
    np.testing.assert_array_equal(sides(scores)[:, 0], [0, 1, 1, 1])


def test_folds_are_even_and_do_not_move_when_samples_are_added():
    few, many = folds(range(500), 5), folds(np.arange(5000), 5)
    np.testing.assert_array_equal(many[:500], few)
    assert few[:12].tolist() == [4, 1, 3, 4, 2, 1, 2, 4, 1, 3, 0, 2]  # for ever
    assert np.bincount(many).min() > 900 and len(np.bincount(many)) == 5
