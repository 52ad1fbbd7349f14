"""Planted noise: the cosine of directions from two draws is what their length and noise say."""

import numpy as np
import pytest

from pipeline.estimators.learning_curve import doubled, split_cosines, to_truth


def planted(m: int, D: int, length: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Gram matrix of m positives and m negatives that differ by a direction of this length, with noise of one in each of D."""
    rng = np.random.default_rng(seed)
    sign = np.repeat([1, -1], m)
    direction = np.zeros(D)
    direction[0] = length
    h = rng.standard_normal((2 * m, D)) + sign[:, None] * direction / 2
    return h @ h.T, sign


def test_the_cosine_of_two_draws_is_that_of_signal_and_noise():
    D, length = 300, 3.0
    gram, sign = planted(200, D, length)
    sizes = (5, 20, 100)
    cosines = split_cosines(gram, sign, sizes, pairs=60)
    expected = [length**2 / (length**2 + 2 * D / n) for n in sizes]
    np.testing.assert_allclose(cosines.mean(axis=1), expected, atol=0.06)


def test_pure_noise_agrees_on_nothing():
    gram, sign = planted(200, 300, 0.0)
    assert abs(split_cosines(gram, sign, (50,), pairs=60).mean()) < 0.03


def test_draws_are_disjoint_and_the_same_every_time():
    gram = np.diag([1.0, 2, 3, 4, 5, 6, 7, 8])  # samples orthogonal: a common one would show
    sign = np.array([1, -1] * 4)
    assert (split_cosines(gram, sign, (1, 2), pairs=10) == 0).all()
    planted_gram, planted_sign = planted(10, 5, 1.0)
    again = [split_cosines(planted_gram, planted_sign, (2, 5), pairs=3) for _ in range(2)]
    np.testing.assert_array_equal(*again)


@pytest.mark.parametrize("sizes", [(), (0,), (3, 6)])
def test_sizes_that_leave_no_second_draw_are_refused(sizes):
    with pytest.raises(ValueError, match="two disjoint ones can have 1 to 5 of either side"):
        split_cosines(*planted(10, 5, 1.0), sizes, pairs=1)


def test_to_the_truth_it_is_the_root():
    rng = np.random.default_rng(0)
    v, errors = rng.standard_normal(2000), rng.standard_normal((2, 2000))
    a, b = v + 1.5 * errors

    def cosine(x, y):
        return x @ y / np.linalg.norm(x) / np.linalg.norm(y)

    assert to_truth(np.array(cosine(a, b))) == pytest.approx(cosine(a, v), abs=0.05)
    assert to_truth(np.array([-0.2, 1.0])).tolist() == [0, 1]


def test_sizes_double():
    assert doubled(1) == [] and doubled(2) == [2] and doubled(16) == [2, 4, 8, 16] and doubled(20) == [2, 4, 8, 16, 20]
