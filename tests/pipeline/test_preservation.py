"""Planted changes: what changed inside a region and outside comes out per area."""

import math

import numpy as np
import pytest

from pipeline.preservation import inside_and_outside


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
