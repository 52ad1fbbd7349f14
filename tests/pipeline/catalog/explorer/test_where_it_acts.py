"""A change planted in a corner is orange there, and the rest is the unedited image in grey."""

import base64
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from pipeline.catalog.explorer.strips import Strip
from pipeline.catalog.explorer.where_it_acts import COLOUR, largest, where_it_acts
from tests.pipeline.catalog.planted_findings import numbers, planted

GREY = 100
STRENGTHS = (-1.0, 0.0, 2.0)


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "jpeg", quality=95)
    return buffer.getvalue()


def image(change: int = 0, side: int = 32) -> bytes:
    """Grey, but for its upper left quarter."""
    pixels = np.full((side, side, 3), GREY)
    pixels[: side // 2, : side // 2] += change
    return jpeg(pixels)


def pixels(uri: str | None) -> np.ndarray:
    _, _, encoded = str(uri).partition("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded)))).astype(float)


def test_a_corner_that_changes_is_orange_and_the_rest_is_the_image_in_grey():
    shown = Strip(STRENGTHS, tuple((image(20 * i), image(), image(80)) for i in range(3)))
    drawn = pixels(where_it_acts(shown, 2))
    corner, rest = drawn[2:14, 2:14], [drawn[18:, :], drawn[:, 18:]]
    assert drawn.shape == (32, 32, 3)
    assert np.abs(corner - COLOUR).max() < 12
    assert all(np.abs(part - (0.6 * GREY + 100)).max() < 12 for part in rest)


def test_a_fall_is_as_orange_as_a_rise_and_half_a_change_is_half_as_orange():
    fall = pixels(where_it_acts(Strip(STRENGTHS, ((None, image(), image(-80)),)), 2))
    assert np.abs(fall[2:14, 2:14] - COLOUR).max() < 12
    both = np.full((32, 32, 3), GREY)
    both[:16, :16] += 80
    both[16:, 16:] += 40
    drawn = pixels(where_it_acts(Strip(STRENGTHS, ((None, image(), jpeg(both)),)), 2))
    halfway = (np.array(COLOUR) + 0.6 * GREY + 100) / 2
    assert np.abs(drawn[20:30, 20:30] - halfway).max() < 12


def test_it_is_of_the_strength_that_is_asked_for():
    shown = Strip(STRENGTHS, ((image(), image(), image(80)),))
    still, moved = (pixels(where_it_acts(shown, place)) for place in (0, 2))
    assert np.abs(still - (0.6 * GREY + 100)).max() < 2 and np.abs(moved[2:14, 2:14] - COLOUR).max() < 12


def test_samples_without_both_images_or_of_another_size_are_left_out():
    rows = ((None, image(), image(80)), (None, None, image(-80)), (None, image(side=16), image(99, side=16)))
    alone = where_it_acts(Strip(STRENGTHS, rows[:1]), 2)
    assert where_it_acts(Strip(STRENGTHS, rows), 2) == alone is not None


NONE: dict[str, Callable[[], str | None]] = {
    "no images": lambda: where_it_acts(Strip(STRENGTHS, ()), 2),
    "none unedited": lambda: where_it_acts(Strip((-1.0, 2.0), ((image(), image(80)),)), 1),
    "no two of one sample": lambda: where_it_acts(Strip(STRENGTHS, ((None, image(), None), (None, None, image()))), 2),
    "unedited itself": lambda: where_it_acts(Strip(STRENGTHS, ((image(80), image(), image(80)),)), 1),
}


@pytest.mark.parametrize("found", NONE.values(), ids=NONE.keys())
def test_where_nothing_can_be_seen_there_is_no_picture(found):
    assert found() is None


def test_a_viewer_shows_it_of_the_strength_that_it_begins_with():
    def picture(name: str, gamma: float, i: int) -> bytes:
        return image(int(40 * gamma))

    name = "smile/ridge"
    drawn = pixels(numbers(planted(image=picture), name)["where"])
    assert np.abs(drawn[2:14, 2:14] - COLOUR).max() < 12 and np.abs(drawn[18:, 18:] - COLOUR).min() > 12
    assert numbers(planted(image=picture, n=0), name)["where"] is None


def test_the_region_is_the_one_with_the_most_change_by_area():
    assert largest([("mouth", 2.0), ("hair", 8.3), ("nose", float("nan")), ("sky", float("inf"))]) == ("hair", 8.3)
    assert largest([("nose", float("nan"))]) is None and largest([]) is None
