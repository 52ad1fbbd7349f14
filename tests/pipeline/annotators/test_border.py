"""What plugs return: numbers of any kind become float32, and what is not what was asked for is told in words."""

import numpy as np
import pytest
import torch

from pipeline.annotators import attributes, region
from pipeline.annotators.border import embedding, masker, masks_of, scorer, scores_of
from pipeline.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 4, 6, 3), np.uint8)
TABLE = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]


def scored(found, columns=("a", "b")):
    return scores_of(lambda images: found, columns, "mine:f")(IMAGES)


@pytest.mark.parametrize(
    "found",
    [
        TABLE,
        tuple(map(tuple, TABLE)),
        np.array(TABLE),
        np.array(TABLE, int),
        np.array(TABLE, np.uint8),
        np.array(TABLE, np.float16),
        torch.tensor(TABLE, dtype=torch.float64, requires_grad=True),
        torch.tensor(TABLE, dtype=torch.bfloat16),
        torch.tensor(TABLE).int(),
    ],
)
def test_numbers_of_any_kind_become_float32(found):
    scores = scored(found)
    assert scores.dtype == np.float32 and scores.tolist() == TABLE


def test_float32_passes_as_it_is():
    table = np.array(TABLE, np.float32)
    assert scored(table) is table


def test_one_attribute_may_come_without_its_axis():
    assert scored([1, 2, 3], ("a",)).tolist() == [[1], [2], [3]]
    assert scored(np.array([True, False, True]), ("a",)).tolist() == [[1], [0], [1]]


def test_nan_is_nothing_to_measure():
    assert np.isnan(scored([[np.nan, 1], [0, 1], [0, 1]])).sum() == 1


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "mine:f returned nothing; expected an array of finite numbers"),
        ("scores", "returned str of"),
        ([["a", "b"]] * 3, "returned list of"),
        ([[None, 1.0]] * 3, "returned list of object"),
        ({"a": [1, 2, 3]}, "returned dict of object"),
        (np.array(TABLE, complex), "returned ndarray of complex128"),
        ([[1, 2], [3], [4, 5]], "what is no array of numbers"),
        (np.array([[np.inf, 1]] * 3), "returned infinity"),
        (np.array([[1e300, 1]] * 3), "beyond float32"),
        (5.0, "returned the shape \\(\\) for 3 images; expected \\(3, 2\\): .* for each of a, b"),
        (TABLE[:2], "the shape \\(2, 2\\) for 3 images"),
        (np.array(TABLE).T, "the shape \\(2, 3\\) .*\n.*stack along axis=1"),
        ([1, 2, 3], "the shape \\(3,\\) for 3 images; expected \\(3, 2\\)"),
        (np.zeros((3, 2, 1)), "the shape \\(3, 2, 1\\)"),
        (np.zeros((3, 3)), "the shape \\(3, 3\\)"),
    ],
)
def test_what_are_no_scores_is_told_with_what_was_expected(found, message):
    with pytest.raises(UserError, match=message):
        scored(found)


def test_the_function_is_named_by_its_module():
    with pytest.raises(UserError, match="tests.*test_border:_wrong returned the shape \\(3, 2\\)"):
        scorer(attributes("a", name="other")(_wrong))(IMAGES)
    with pytest.raises(UserError, match="tests.*test_border:_wrong returned masks of the shape \\(3, 2\\)"):
        masker(region(_wrong))(IMAGES)


def _wrong(images):
    return TABLE


def test_a_plug_that_writes_into_its_images_changes_nobody_elses():
    def blacken(images):
        images[:] = 0
        return images.mean(axis=(1, 2, 3))

    before = IMAGES.copy()
    assert not scores_of(blacken, ("a",), "mine:f")(IMAGES).any()
    assert (before == IMAGES).all()


def test_no_image_is_no_call():
    assert scores_of(lambda images: 1 / 0, ("a", "b"), "mine:f")(IMAGES[:0]).shape == (0, 2)
    assert masks_of(lambda images: 1 / 0, "mine:f")(IMAGES[:0]).shape == (0, 4, 6)


def test_an_error_in_a_function_is_its_own():
    with pytest.raises(ZeroDivisionError):
        scores_of(lambda images: 1 / 0, ("a",), "mine:f")(IMAGES)


# Masks


@pytest.mark.parametrize("found", [IMAGES[..., 0] > 99, (IMAGES[..., 0] > 99).tolist(), IMAGES[..., 0] / 255])
def test_masks_of_any_kind_become_float32(found):
    masks = masks_of(lambda images: found, "mine:f")(IMAGES)
    assert masks.dtype == np.float32
    np.testing.assert_allclose(masks, np.asarray(found, float), rtol=1e-6)


def test_an_image_without_the_region_has_nan_alone():
    masks = np.zeros(IMAGES.shape[:3])
    masks[1] = np.nan
    assert np.isnan(masks_of(lambda images: masks, "mine:f")(IMAGES)).sum() == 24
    masks[0, 0, 0] = np.nan
    with pytest.raises(UserError, match="NaN in part of an image; expected all of it"):
        masks_of(lambda images: masks, "mine:f")(IMAGES)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (np.zeros((3, 6, 4)), "masks of the shape \\(3, 6, 4\\); expected \\(3, 4, 6\\)"),
        (np.zeros((4, 6)), "masks of the shape \\(4, 6\\)"),
        (np.zeros((3, 4, 6, 1)), "masks of the shape \\(3, 4, 6, 1\\)"),
        (np.full((3, 4, 6), 255, np.uint8), "masks from 255 to 255; expected 0 outside to 1 inside"),
        (np.full((3, 4, 6), -1), "masks from -1 to -1"),
        (None, "returned nothing"),
    ],
)
def test_what_are_no_masks_is_told_with_what_was_expected(found, message):
    with pytest.raises(UserError, match=message):
        masks_of(lambda images: found, "mine:f")(IMAGES)


# Features


class Embeds:
    name = "embeds"

    def __init__(self, found):
        self.found = found

    def embedder(self):
        return lambda images: self.found[: len(images)]


def test_features_become_float32():
    assert embedding(Embeds(torch.tensor(TABLE).double()))(IMAGES).tolist() == TABLE


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (TABLE[0], "the shape \\(2,\\) as features of 3 images; expected \\(3, F\\)"),
        (np.zeros((2, 5)), "the shape \\(2, 5\\)"),
        (np.zeros((3, 0)), "the shape \\(3, 0\\)"),
        (np.full((3, 2), np.nan), "NaN as features"),
    ],
)
def test_what_are_no_features_is_told(found, message):
    with pytest.raises(UserError, match=f"test_border:Embeds returned {message}"):
        embedding(Embeds(found))(IMAGES)
