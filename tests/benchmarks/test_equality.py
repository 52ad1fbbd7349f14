"""How far two findings are the same, on planted ones."""

import numpy as np

from benchmarks._equality import principal_cosines, shares_inside, told_apart


def test_components_without_a_gap_are_not_told_apart():
    S = np.array([[9.0, 9.0], [5.0, 8.99], [4.99, 5.0], [3.0, 3.0], [1.0, 1.0]])
    np.testing.assert_array_equal(told_apart(S), [[1, 0], [0, 0], [0, 1], [1, 1], [0, 0]])


def test_a_share_inside_is_of_each_vector_and_whatever_the_basis():
    ours = np.array([[1.0, 1, 0, 0], [1, -1, 0, 0]])
    theirs = np.array([[2.0, 0, 0, 0], [0, 3, 4, 0]])
    np.testing.assert_allclose(shares_inside(ours, theirs), [1, 0.36])
    np.testing.assert_allclose(principal_cosines(ours, theirs), [1, 0.6])
