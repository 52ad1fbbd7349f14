"""What the comparison of dtypes computes, on planted numbers; its timings are its own."""

import numpy as np
import pytest
import torch

from benchmarks._dtypes import Made, difference, directions, errors_by_step, ratio


def test_errors_are_those_of_each_step():
    h = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    relative, cosine = errors_by_step(h * torch.tensor([1.0, 1.1])[:, None, None], h)
    assert relative == pytest.approx([0, 0.1], abs=1e-6) and cosine == pytest.approx([1, 1])


def test_a_difference_of_effects_is_told_from_noise_by_its_interval():
    exact = np.random.default_rng(0).normal(size=(3, 400, 2))
    other = exact + np.random.default_rng(1).normal(0, 0.1, exact.shape)
    other[1, :, 0] += 0.2
    mean, wide = difference(exact, other)
    assert mean[1, 0] == pytest.approx(0.2, abs=0.02) and wide == pytest.approx(np.full((3, 2), 0.0098), rel=0.15)
    mean[1, 0] -= 0.2
    assert (np.abs(mean) < 2 * wide).all()


def test_directions_are_differences_of_the_highest_and_lowest_labels():
    labels = np.array([[3.0, 0, 0], [2, 0, 1], [-2, 5, 0], [-3, 5, 1]])
    h = torch.from_numpy(labels[None] + 10)
    found = directions(Made(h, np.empty(0), []), labels, ("smile", "glasses", "yaw"), top=2)
    assert found.shape == (3, 1, 3)
    assert found[0, 0].tolist() == [5, -5, 0] and found[1, 0].tolist() == [-5, 5, 0]


def test_a_ratio_is_taken_within_each_round():
    assert ratio([2.0, 20.0, 2.2], [1.0, 10.0, 1.0]) == 2
