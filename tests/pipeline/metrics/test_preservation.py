"""Planted changes: what an edit leaves alone, inside a region and outside, comes out as it was put in."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.metrics.preservation import (
    FARTHEST,
    MEASURES,
    SCALES,
    Manifold,
    Pairs,
    background_shift,
    change_outside,
    clipped,
    identity,
    inside_and_outside,
    ms_ssim,
    precision,
    scales_of,
)
from schemas.columns import meaning_of
from schemas.preservation import MEASURES as COLUMNS


def images(n: int, shade: int) -> np.ndarray:
    return np.full((n, 4, 6, 3), shade, np.uint8)


def region(n: int) -> np.ndarray:
    masks = np.zeros((n, 4, 6), np.float32)
    masks[:, :2, :3] = 1  # a quarter of the image
    return masks


def test_change_is_per_area_so_an_even_one_is_the_same_in_and_out():
    assert inside_and_outside(images(3, 10), images(3, 14), region(3)) == (16, 16)


def test_change_inside_alone():
    after = images(2, 10)
    after[:, :2, :3] = 0  # darker: uint8 must not wrap round
    assert inside_and_outside(images(2, 10), after, region(2)) == (100, 0)


def test_a_soft_mask_shares_its_border():
    after = images(1, 10)
    after[:, 0] = 12
    masks = np.full((1, 4, 6), 0.5, np.float32)
    inside, outside = inside_and_outside(images(1, 10), after, masks)
    assert inside == pytest.approx(1) and outside == pytest.approx(1)


def test_images_without_the_region_are_left_out():
    after = images(2, 10)
    after[1] = 255
    masks = region(2)
    masks[1] = np.nan
    assert inside_and_outside(images(2, 10), after, masks) == (0, 0)
    assert all(map(math.isnan, inside_and_outside(images(1, 1), images(1, 2), np.full((1, 4, 6), np.nan))))


# Each image beside its counterpart


def noisy(n: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), np.uint8)


def test_identity_is_the_cosine_of_features():
    a = np.array([[3.0, 4.0], [1.0, 0.0], [1.0, 0.0]], np.float32)
    b = np.array([[6.0, 8.0], [0.0, 2.0], [-1.0, 0.0]], np.float32)
    np.testing.assert_allclose(identity(Pairs(noisy(3, 4), noisy(3, 4), features=(a, b))), [1, 0, -1], atol=1e-6)


@pytest.mark.parametrize("size", [11, 21, 22, 43, 44, 81, 98, 99, 161, 175, 176])
def test_structure_is_one_for_equal_images_and_falls_with_noise(size):
    before = noisy(2, size)
    little = np.clip(before.astype(int) + np.random.default_rng(1).integers(-9, 10, before.shape), 0, 255).astype(
        np.uint8
    )
    np.testing.assert_allclose(ms_ssim(Pairs(before, before)), 1, atol=1e-3)
    assert (ms_ssim(Pairs(before, little)) > ms_ssim(Pairs(before, noisy(2, size, 2)))).all()


@pytest.mark.parametrize(
    "size, scales", [(10, 0), (11, 1), (22, 2), (43, 2), (44, 3), (48, 3), (98, 3), (99, 4), (176, 5)]
)
def test_there_are_as_many_scales_as_images_have_room_for_and_all_that_is_said_says_so(size, scales):
    assert scales_of(size, size + 7) == scales_of(size + 7, size) == scales
    [column] = [meaning_of(field) for field in COLUMNS if field.name == "ms_ssim"]
    for said in (column, (Path(__file__).parents[3] / "docs/measures.md").read_text()):
        told = re.search(r"1 from (\d+) pixels on, 2 from (\d+), 3 from (\d+), 4 from (\d+), all from (\d+)", said)
        assert told and sum(size >= int(each) for each in told.groups()) == scales


def by_hand(a: np.ndarray, b: np.ndarray, scales: int, mirrored: bool) -> float:
    """MS-SSIM of two images (H, W, 3), in windows inside the image but at the coarsest scale, where they may be `mirrored`."""
    at = np.arange(11) - 5
    window = np.exp(-(at**2) / (2 * 1.5**2))
    window = torch.from_numpy(np.outer(window, window) / window.sum() ** 2)[None, None]
    x, y = (torch.from_numpy(each).permute(2, 0, 1)[:, None].double() for each in (a, b))
    found = []
    for scale in range(scales):
        coarsest = scale == scales - 1
        if coarsest and mirrored:
            wide = [torch.nn.functional.pad(each, (5,) * 4, mode="reflect") for each in (x, y)]
        else:
            wide = [x, y]
        mean_x, mean_y, xx, yy, xy = (
            torch.nn.functional.conv2d(each, window) for each in (*wide, wide[0] ** 2, wide[1] ** 2, wide[0] * wide[1])
        )
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        value = (2 * (xy - mean_x * mean_y) + c2) / (xx - mean_x**2 + yy - mean_y**2 + c2)
        if coarsest:
            value = value * (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
        found.append(max(0.0, float(value.mean())))
        x, y = (torch.nn.functional.avg_pool2d(each, 2) for each in (x, y))
    weights = np.array(SCALES[:scales]) / sum(SCALES[:scales])
    return float(np.prod(np.array(found) ** weights))


@pytest.mark.parametrize("size", [24, 48, 100])
def test_it_is_ms_ssim_by_hand_whose_coarsest_windows_reach_over_the_border(size):
    at = np.linspace(0, 3, size)
    smooth = (127 + 100 * np.sin(at)[:, None, None] * np.cos(at)[None, :, None] + np.zeros(3)).astype(np.uint8)
    before, after = smooth[None] // 2 + noisy(1, size) // 2, smooth[None, ::-1] // 2 + noisy(1, size) // 2
    [found], scales = ms_ssim(Pairs(before, after)), scales_of(size, size)
    assert found == pytest.approx(by_hand(before[0], after[0], scales, mirrored=True), abs=1e-4)
    inside = by_hand(before[0], after[0], scales, mirrored=False)
    assert 1e-4 < abs(found - inside) < 0.1, "and so not quite that of Wang, Simoncelli and Bovik"


def test_structure_of_an_image_is_its_own():
    before, after = noisy(3, 48), noisy(3, 48, 1) // 2 + noisy(3, 48) // 2
    together = ms_ssim(Pairs(before, after))
    alone = [ms_ssim(Pairs(before[i : i + 1], after[i : i + 1]))[0] for i in range(3)]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.isnan(ms_ssim(Pairs(noisy(2, 10), noisy(2, 10)))).all(), "no room for one window"


def test_change_and_colour_outside_the_region():
    before, after = images(3, 10), images(3, 10)
    after[:, :2, :3] = 200  # inside: does not count
    after[1, :, 3:] = 14  # half of each row, and nothing of the lower left
    masks = region(3)
    masks[2] = np.nan
    outside = change_outside(Pairs(before, after, masks))
    np.testing.assert_allclose(outside[:2], [0, np.sqrt(16 * 12 / 18)])
    colour = background_shift(Pairs(before, after, masks))
    np.testing.assert_allclose(colour[:2], [0, np.sqrt(3) * 4 * 12 / 18])
    assert np.isnan(outside[2]) and np.isnan(colour[2])
    assert np.isnan(change_outside(Pairs(before, after, np.ones_like(masks)))).all()


def test_clipped_counts_both_ends():
    shades = images(2, 10)
    shades[1, :2] = 0
    shades[1, 2] = 255
    np.testing.assert_allclose(clipped(Pairs(images(2, 10), shades)), [0, 0.75])


def test_the_manifold_is_within_the_balls_around_its_features():
    rng = np.random.default_rng(0)
    reference, near = rng.standard_normal((2, 200, 6))
    manifold = Manifold.of(reference, k=3)
    assert manifold.contains(reference).all()
    assert manifold.contains(near).mean() > 0.7 and not manifold.contains(near + 20).any()
    distance = np.linalg.norm(near[:, None] - reference, axis=2)
    radii = np.sort(np.linalg.norm(reference[:, None] - reference, axis=2), axis=1)[:, 3]
    radii = np.minimum(radii, np.sqrt(np.quantile(radii**2, FARTHEST)))
    np.testing.assert_array_equal(manifold.contains(near), (distance <= radii).any(axis=1))
    assert Manifold.of(reference[:3]).contains(near + 20).all(), "of too few nothing can be told"


def test_a_few_images_far_away_do_not_put_noise_on_the_manifold():
    """4 in 304, whose balls without a bound hold two thirds of the noise."""
    rng = np.random.default_rng(0)
    reference = np.concatenate([rng.standard_normal((300, 16)), 30 * rng.standard_normal((4, 16))])
    typical, noise = rng.standard_normal((200, 16)), 6 * rng.standard_normal((200, 16))
    manifold = Manifold.of(reference)
    unbounded = np.sort(np.linalg.norm(reference[:, None] - reference, axis=2), axis=1)[:, 3]
    assert (np.linalg.norm(noise[:, None] - reference, axis=2) <= unbounded).any(axis=1).mean() > 0.5
    assert manifold.contains(noise).mean() == 0 and manifold.contains(typical).mean() > 0.75


def test_the_precision_of_another_sample_is_told_from_the_reference_alone():
    rng = np.random.default_rng(0)
    reference, more = rng.standard_normal((300, 5)), rng.standard_normal((2000, 5))
    manifold = Manifold.of(reference)
    assert manifold.precision_of_another() == pytest.approx(manifold.contains(more).mean(), abs=0.04)
    assert Manifold.of(reference[:3]).precision_of_another() == 1
    pair = np.array([[0.0], [1.0], [2.0], [3.0], [90.0]])
    assert Manifold.of(pair, k=1).precision_of_another() == 0.8, "nobody reaches the one that is far away"


def test_precision_is_one_for_images_on_the_manifold():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((50, 4))
    features = np.concatenate([reference[:2], reference[:2] + 20])
    pairs = Pairs(noisy(4, 4), noisy(4, 4), features=(features, features), manifold=Manifold.of(reference))
    assert precision(pairs).tolist() == [1, 1, 0, 0]


def test_there_is_a_function_for_every_column_and_it_says_nothing_where_nothing_is_known():
    assert list(MEASURES) == [field.name for field in COLUMNS]
    found = {name for name, measure in MEASURES.items() if measure(Pairs(noisy(2, 4), noisy(2, 4))) is not None}
    assert found == {"ms_ssim", "clipped"}
