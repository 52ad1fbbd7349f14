"""Halves: at random, of the same size, and each with half of whatever counts."""

import numpy as np
import pytest

from pipeline.estimators.halves import PAIRS, halves, halves_of_blocks, partners, resamples

NONE = np.zeros((1000, 0), bool)


def test_resamples_are_all_and_pairs_of_halves_that_weigh_as_much():
    weights = resamples(range(1000), NONE, pairs=3)
    assert weights.shape == (1000, 7)
    assert (weights[:, 0] == 1).all()
    for first in (1, 3, 5):
        assert ((weights[:, first] > 0) ^ (weights[:, first + 1] > 0)).all()
    np.testing.assert_allclose(weights.sum(axis=0), 1000)
    assert resamples(range(1000), NONE, pairs=0).shape == (1000, 1)
    assert list(partners(7)) == [0, 2, 1, 4, 3, 6, 5]


@pytest.mark.parametrize("n", [999, 1000])
def test_halves_are_random_and_of_the_same_size(n):
    first = halves(range(n), NONE[:n])
    assert first.shape == (n, PAIRS)
    assert np.abs(2 * first.sum(axis=0) - n).max() <= 1
    between = np.corrcoef(first.T) - np.eye(PAIRS)
    assert np.abs(between).max() < 0.12
    np.testing.assert_array_equal(first, halves(range(n), NONE[:n]))
    assert (first != halves(range(5000, 5000 + n), NONE[:n])).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_each_half_has_half_of_every_group_of_the_rarest_to_one(seed):
    """Groups that overlap, as the positives of attributes do: 5, 6 and 40 of 300."""
    rng = np.random.default_rng(seed)
    groups = np.stack(
        [np.isin(np.arange(300), rng.choice(300, size, replace=False)) for size in (5, 6, 40, 40)], axis=1
    )
    first = halves(range(seed, seed + 300), groups)
    unequal = np.abs(2 * (groups[:, :, None] & first[:, None]).sum(axis=0) - groups.sum(axis=0)[:, None])
    assert unequal[:2].max() <= 2 and unequal.max() <= 6
    assert (groups[:, :2, None] & first[:, None]).any(axis=0).all()


def test_blocks_are_halved_in_as_many_ways_as_there_are():
    assert halves_of_blocks(0) == halves_of_blocks(1) == []
    assert [len(halves_of_blocks(blocks)) for blocks in (2, 3, 4, 6, 40)] == [1, 3, 3, 8, 8]
    for blocks in (2, 3, 4, 7, 40):
        for one, other in halves_of_blocks(blocks):
            assert len(one) == len(other) == blocks // 2
            assert not set(one) & set(other) and set(one) | set(other) <= set(range(blocks))
