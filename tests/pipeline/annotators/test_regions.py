"""Regions that are known: boxes, files that were written, and eyes and mouths where the renderer drew them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.annotators.landmarks import Landmarks
from pipeline.annotators.mask_files import MaskFile, mask_file
from pipeline.annotators.regions import Box, outline, remembered, to_latents
from pipeline.annotators.registry import REGIONS, mask
from pipeline.domains.portraits.render import render, sample_factors
from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.models.pixels import to_uint8

FACE = np.array([[20, 20], [40, 20], [30, 30], [24, 40], [36, 40]], float)  # eyes, nose, corners of the mouth; d = 20


def blank(n: int = 2, height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((n, height, width, 3), 128, np.uint8)


def centre(region: np.ndarray) -> np.ndarray:
    y, x = np.nonzero(region >= 0.5)
    return np.array([x.mean(), y.mean()])


# Boxes and files


def test_a_box_is_its_pixels_in_every_image():
    masks = Box(3, 5, 10, 6).load()(blank())
    assert masks.shape == (2, 48, 64) and masks.dtype == np.float32
    assert masks.sum() == 2 * 7 and masks[:, 5, 3:10].all()


@pytest.mark.parametrize(
    "box", [Box(0, 0, 0, 5), Box(0, 0, 65, 5), Box(5, 5, 4, 9), Box(-1, 0, 4, 4), Box(0, 0, 4, 49)]
)
def test_a_box_that_is_empty_or_outside_is_refused(box):
    with pytest.raises(UserError, match="64 x 48 pixels"):
        box.check(48, 64)
    Box(0, 0, 64, 48).check(48, 64)


@pytest.fixture
def half(tmp_path):
    """White on the left, grey on the right; twice as large as the images."""
    pixels = np.full((96, 128), 102, np.uint8)
    pixels[:, :64] = 255
    Image.fromarray(pixels).save(tmp_path / "left half.png")
    return tmp_path / "left half.png"


def test_a_file_gives_its_greys_at_the_size_of_the_images(half):
    found = mask_file(half)
    masks = found.load()(blank(3))
    assert found.name == "left_half" and masks.shape == (3, 48, 64)
    assert (masks[:, :, :32] == 1).all() and masks[:, :, 32:] == pytest.approx(0.4)


def test_the_content_of_a_file_is_its_setting_and_its_place_is_not(half, tmp_path):
    found = mask_file(half)
    (tmp_path / "other").mkdir()
    same = mask_file(half.rename(tmp_path / "other" / half.name))
    assert settings(same) == settings(found) and same.path != found.path
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(same.path)
    assert settings(mask_file(same.path)) != settings(found)
    with pytest.raises(UserError, match="has changed since"):
        same.load()(blank())


def test_a_black_file_and_what_is_no_image_are_refused(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "black.png")
    with pytest.raises(UserError, match="black.png is black"):
        mask_file(tmp_path / "black.png").check(48, 64)
    (tmp_path / "text.png").write_text("a mask")
    with pytest.raises(UserError, match="no image that can be read"):
        mask_file(tmp_path / "text.png")


# Landmarks


def test_regions_lie_where_the_landmarks_are_and_apart_from_each_other():
    found = {region: Landmarks(region).around(FACE, 60, 60) for region in REGIONS}
    assert centre(found["eyes"]) == pytest.approx([30, 20], abs=0.5)
    assert centre(found["mouth"]) == pytest.approx([30, 40], abs=0.5)
    assert centre(found["nose"]) == pytest.approx([30, 29], abs=0.8)
    assert found["eyes"][20, 20] == found["eyes"][20, 40] == 1 and found["mouth"][40, 24:37].all()
    assert not (found["eyes"] * found["mouth"]).any()
    for region in ("eyes", "nose", "mouth"):
        assert (found["head"] >= found[region]).all(), f"the {region} is part of the head"
    assert 0 in found["head"], "and around it is background"


def test_a_region_grows_and_turns_with_the_face():
    small, large = (Landmarks("mouth").around(FACE * scale, 200, 200) for scale in (1, 3))
    assert large.sum() / small.sum() == pytest.approx(9, rel=0.1)
    turned = FACE @ np.array([[0, 1], [-1, 0]]) + [70, 0]  # by a quarter: what was right is down
    upright, lying = (Landmarks("eyes").around(points, 80, 80) for points in (FACE, turned))
    assert lying.sum() == pytest.approx(upright.sum(), rel=0.02)
    assert np.ptp(np.nonzero(lying)[0]) == pytest.approx(np.ptp(np.nonzero(upright)[1]), abs=1)


def test_a_soft_border_falls_from_inside_to_outside():
    hard, soft = (Landmarks("mouth", softness=s).around(FACE, 60, 60) for s in (0.0, 0.3))
    assert set(np.unique(hard)) == {0, 1} and len(np.unique(soft)) > 10
    assert soft[40, 30] == 1 and soft.sum() == pytest.approx(hard.sum(), rel=0.15)
    assert (np.diff(soft[40, 30:]) <= 0).all()


@pytest.fixture(scope="module")
def pairs():
    """Portraits drawn twice: with another smile, and with or without glasses."""
    factors = sample_factors(6, seed=5)
    ones = torch.ones(6)
    plain = replace(factors, smile=-0.5 * ones, glasses=0 * ones)

    def drawn(**changed) -> np.ndarray:
        return to_uint8(render(replace(plain, **changed), 48)).numpy()

    return {"plain": drawn(), "mouth": drawn(smile=0.9 * ones), "eyes": drawn(glasses=ones)}


@pytest.mark.parametrize("region", ["mouth", "eyes"])
def test_what_a_smile_or_glasses_change_lies_inside_the_region(pairs, region):
    before, after = pairs["plain"].astype(float), pairs[region].astype(float)
    masks = Landmarks(region).load()(pairs["plain"])
    change = np.square(after - before).sum(axis=-1)
    inside = (change * masks).sum(axis=(1, 2)) / change.sum(axis=(1, 2))
    assert not np.isnan(masks).any() and masks.mean() < 0.08
    assert np.median(inside) > 0.7 and inside.min() > 0.5


def test_an_image_without_a_face_has_no_region_and_leaves_the_others_theirs(pairs):
    images = pairs["plain"].copy()
    images[1] = 90
    masks = Landmarks("mouth").load()(images)
    assert np.isnan(masks[1]).all() and not np.isnan(masks[[0, 2, 3, 4, 5]]).any()
    assert np.array_equal(masks[2:], Landmarks("mouth").load()(images[2:]))


def test_the_detectors_weights_are_part_of_the_settings():
    assert "weights" in settings(Landmarks("eyes"))["detector"]


@pytest.mark.parametrize(("bad", "said"), [(Landmarks("hat"), "eyes, nose, mouth"), (Landmarks("eyes", -1), "border")])
def test_unknown_regions_and_borders_are_refused(bad, said):
    with pytest.raises(UserError, match=said):
        bad.check(48, 48)


# What a person types


def test_masks_by_their_names(half):
    assert mask("eyes") == Landmarks("eyes")
    assert mask("box:1,2,3,4") == Box(1, 2, 3, 4) and mask("box:1,2,3,4").name == "box-1-2-3-4"
    assert mask(str(half)) == mask_file(half) and isinstance(mask(str(half)), MaskFile)


@pytest.mark.parametrize("typed", ["box:1,2,3", "box:a,b,c,d", "ears", "no/such/file.png", ""])
def test_what_is_no_mask_is_refused(typed):
    with pytest.raises(UserError, match="expected"):
        mask(typed)


# Use


def test_latents_have_the_mean_of_their_pixels():
    masks = torch.zeros(1, 8, 8)
    masks[0, :3, :4] = 1
    assert to_latents(masks, 2, 2)[0, 0].tolist() == [[0.75, 0], [0, 0]]
    assert torch.equal(to_latents(masks, 8, 8)[:, 0], masks)


def test_the_outline_lies_on_the_border_and_the_outside_is_dimmed():
    region = Box(10, 10, 30, 20).load()(blank(1, 40, 40))[0]
    drawn = outline(blank(1, 40, 40)[0], region, 3)
    assert drawn.shape == (120, 120, 3)
    assert (drawn[45, 60] == 128).all() and (drawn[5, 5] < 100).all()
    assert (drawn == 255).all(axis=-1).any(axis=0).sum() == pytest.approx(60, abs=4)


def test_what_is_remembered_is_looked_for_once():
    looked: list[int] = []

    def find(images: np.ndarray) -> np.ndarray:
        looked.append(len(images))
        return images[..., 0] / 255

    images = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), np.uint8)
    once = remembered(find)
    for _ in range(2):
        np.testing.assert_allclose(once(images), images[..., 0] / 255)
    assert looked == [1, 1, 1]
