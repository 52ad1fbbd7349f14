"""Planted shares: they come out, of whoever has scores, and their intervals cover them."""

import numpy as np
import pytest
from scipy.stats import t as student

from pipeline.metrics.carriage import Share, of_pixels, of_scores, share


def others(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, 2, *values.shape[1:])[:, ::-1].reshape(values.shape)


def gone(own: np.ndarray, planted: float, noise: float = 0.0, seed: int = 1) -> np.ndarray:
    """Samples that have gone a share of the way, and some of them too far."""
    return own + planted * (others(own) - own) + noise * np.random.default_rng(seed).standard_normal(own.shape)


@pytest.fixture
def own() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(40)


@pytest.mark.parametrize("planted", [0.0, 0.4, 1.0, 1.3, -0.2])
def test_a_planted_share_comes_out(own, planted):
    found = of_scores(own, gone(own, planted))
    assert found == pytest.approx((planted, planted, planted, 40))


def test_a_shift_of_everybody_is_no_way_to_the_other_one(own):
    assert of_scores(own, own + 5.0).share == pytest.approx(0.0, abs=1e-12)


def test_who_differs_most_counts_most():
    own = np.array([0.0, 3.0, 0.0, 1.0])
    found = of_scores(own, np.array([3.0, 0.0, 0.0, 1.0]))  # the first pair has been exchanged, the second is as it was
    assert found.share == pytest.approx(9 / 10)
    assert found.low < 0 and found.high > 1, "two pairs say nothing"


@pytest.mark.parametrize("planted", [0.1, 0.7])
@pytest.mark.parametrize("samples", [4, 6, 14, 64])
def test_the_interval_covers_as_often_as_it_says(planted, samples):
    rng = np.random.default_rng(2)
    covered = 0
    for seed in range(600):
        own = rng.standard_normal(samples)
        found = of_scores(own, gone(own, planted, 0.8, seed))
        covered += found.low <= planted <= found.high
    assert 0.93 <= covered / 600 <= 0.99


def test_the_interval_is_of_pairs_and_the_same_each_time(own):
    """Both of a pair have gone as far: as single samples they would look like twice as many as there are."""
    half = np.random.default_rng(3).random(20).repeat(2)
    swapped = own + half * (others(own) - own)
    found = of_scores(own, swapped)
    assert found == of_scores(own, swapped)
    without = [of_scores(*(np.delete(each, [i, i + 1]) for each in (own, swapped))).share for i in range(0, 40, 2)]
    by_leaving_out = student.ppf(0.975, 19) * np.linalg.norm(np.array(without) - found.share)
    assert (found.low, found.high) == pytest.approx((found.share - by_leaving_out, found.share + by_leaving_out))


def test_a_sample_without_a_score_is_left_out_and_so_is_its_other(own):
    swapped = gone(own, 0.5)
    expected = of_scores(np.delete(own, [2, 3]), np.delete(swapped, [2, 3]))
    own[2], swapped[2] = np.nan, 1e6
    assert of_scores(own, swapped) == pytest.approx(expected) and expected.n == 38


def test_an_edited_sample_without_a_score_is_left_out_alone():
    own, swapped = np.array([0.0, 1.0, 0.0, 2.0, 0.0, 1.0]), np.array([np.nan, 0.75, 1.0, 1.0, 0.5, 0.5])
    assert of_scores(own, swapped)[0::3] == pytest.approx(((0.25 + 2 * 2 + 2 * 0.5) / (1 + 8 + 2), 5))


@pytest.mark.parametrize(("own", "n"), [(np.full(6, np.nan), 0), (np.full(6, 2.0), 6), (np.empty(0), 0)])
def test_what_cannot_be_told_is_nan(own, n):
    found = of_scores(own, own + 1.0)
    assert np.isnan(found[:3]).all() and found.n == n


def test_a_single_pair_has_a_share_and_no_interval():
    found = of_scores(np.array([0.0, 1.0]), np.array([0.5, 0.5]))
    assert found.share == 0.5 and np.isnan(found[1:3]).all() and found.n == 2


def test_pixels_inside_and_outside_of_each_samples_own_mask():
    rng = np.random.default_rng(5)
    own = rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    masks = np.zeros((6, 8, 8), np.float32)
    for i, mask in enumerate(masks):
        mask[: i + 2] = 1
    inside = masks[..., None].astype(bool)
    swapped = np.where(inside, own, others(own))
    found = of_pixels(own, swapped, masks)
    assert found["foreground"] == (0.0, 0.0, 0.0, 6) and found["background"] == (1.0, 1.0, 1.0, 6)
    way = np.square(others(own).astype(float) - own)
    assert found["image"].share == pytest.approx((way * ~inside).sum() / way.sum())
    assert of_pixels(own, swapped).keys() == {"image"}


def test_a_mask_in_part_weighs_and_a_sample_without_one_is_left_out():
    own = np.array([0, 200, 0, 200, 0, 100], np.uint8).reshape(6, 1, 1, 1).repeat(2, axis=2).repeat(3, axis=3)
    swapped = own.copy()
    swapped[:, :, 0] = others(own)[:, :, 0]  # the left pixel
    masks = np.array([[[1.0, 0.5]], [[1.0, 0.5]], [[0.0, 1.0]], [[0.0, 1.0]], [[np.nan, np.nan]], [[1.0, 1.0]]])
    found = of_pixels(own, swapped, masks)
    assert found["foreground"][0::3] == pytest.approx(((2 * 4 + 1) / (2 * 4 * 1.5 + 2 * 4 + 2), 5))
    assert found["image"] == Share(0.5, 0.5, 0.5, 6)


def test_weights_are_of_the_samples_whose_way_it_is():
    own, swapped = np.array([[0.0, 0.0], [1.0, 3.0]]), np.array([[1.0, 0.0], [1.0, 3.0]])
    weights = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert share(own, swapped, weights).share == pytest.approx(1 / (1 + 9))
