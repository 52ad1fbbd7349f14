"""What is drawn is what is measured, by the annotator's functions and by the judge's."""

import numpy as np
import pytest

from pipeline.domains.digits import judge_measures, measures

SIZE, FINER = 32, 8
BOTH = pytest.mark.parametrize("ways", [measures, judge_measures], ids=["annotator", "judge"])
Y, X = (np.indices((SIZE * FINER, SIZE * FINER)) + 0.5) / FINER - SIZE / 2  # pixels from the centre


def image(drawn: np.ndarray) -> np.ndarray:
    """What is drawn at eight times the resolution as one image, (1, SIZE, SIZE, 3) uint8."""
    grey = drawn.reshape(SIZE, FINER, SIZE, FINER).mean(axis=(1, 3))
    return np.repeat((grey * 255).round().astype(np.uint8)[None, :, :, None], 3, axis=-1)


def bar(width: float, degrees: float = 0, height: float = 24) -> np.ndarray:
    return (abs(X + np.tan(np.radians(degrees)) * Y) < width / 2) & (abs(Y) < height / 2)


def ring(width: float, radius: float = 8, down: float = 0) -> np.ndarray:
    return abs(np.hypot(X, Y - down) - radius) < width / 2


EIGHT = ring(3, 5, -5.5) | ring(3, 5.5, 5.5)
BLANK = np.zeros((1, SIZE, SIZE, 3), np.uint8)


@BOTH
@pytest.mark.parametrize("degrees", [-20, 0, 15, 30])
def test_a_slanted_bar_has_its_slant(ways, degrees):
    assert ways.slant(image(bar(3, degrees)))[0] == pytest.approx(degrees, abs=0.5)


@BOTH
def test_a_mirrored_image_slants_the_other_way(ways):
    leaning = image(bar(4, 12) | ring(3, 6, 4))
    assert ways.slant(leaning)[0] > 2
    assert ways.slant(leaning[:, :, ::-1])[0] == pytest.approx(-ways.slant(leaning)[0])


@BOTH
@pytest.mark.parametrize("width", [2, 3, 4, 6])
def test_strokes_have_the_width_that_they_were_drawn_with(ways, width):
    """A ring has no ends: what both measure of it is its width, but for corners of pixels."""
    assert ways.stroke_width(image(ring(width)))[0] == pytest.approx(width, rel=0.08)


@BOTH
def test_a_line_of_two_pixels_and_one_of_three_differ_by_one(ways):
    two, three = ways.stroke_width(np.concatenate([image(bar(2)), image(bar(3))]))
    assert two == pytest.approx(2, abs=0.2) and three - two == pytest.approx(1, abs=0.2)


@BOTH
@pytest.mark.parametrize(
    ("drawn", "holes"), [(bar(3), 0), (ring(3), 1), (EIGHT, 2), (ring(3) & (X < 4), 0)], ids=["bar", "ring", "8", "c"]
)
def test_loops_are_counted(ways, drawn, holes):
    assert ways.loops(image(drawn)).tolist() == [holes]


@BOTH
def test_a_loop_that_is_nearly_closed_is_part_of_one(ways):
    gap = (X > 0) & (abs(Y) < 2)
    faint = (image(ring(3) & ~gap) + (image(ring(3) & gap) * 0.5)).astype(np.uint8)
    assert 0 < ways.loops(faint)[0] < 1


@BOTH
def test_two_pieces_have_the_loops_of_both(ways):
    assert ways.loops(image(ring(2, 4, -8) | ring(2, 4, 8))).tolist() == [2]


@BOTH
def test_ink_is_the_share_of_the_image(ways):
    assert ways.ink(image(bar(8, height=16)))[0] == pytest.approx(8 * 16 / SIZE**2)
    assert ways.ink(BLANK).tolist() == [0]


@BOTH
@pytest.mark.parametrize("measure", ["slant", "stroke_width", "loops"])
def test_nothing_is_measured_where_there_is_no_ink(ways, measure):
    assert np.isnan(getattr(ways, measure)(BLANK)).all()
    assert getattr(ways, measure)(BLANK[:0]).shape == (0,)


@BOTH
@pytest.mark.parametrize("measure", ["slant", "stroke_width", "ink", "loops"])
def test_an_image_is_measured_alone_as_among_others(ways, measure):
    images = np.concatenate([image(EIGHT), BLANK, image(bar(3, 15)), image(ring(2))])
    alone = [getattr(ways, measure)(each[None])[0] for each in images]
    np.testing.assert_array_equal(getattr(ways, measure)(images), alone)


@BOTH
@pytest.mark.parametrize("measure", ["slant", "stroke_width", "loops"])
def test_a_faint_background_changes_little(ways, measure):
    drawn = image(bar(4, 10) | ring(3, 5, 5))
    noise = np.random.default_rng(0).integers(0, 20, drawn.shape[:3])[..., None]
    noisy = np.maximum(drawn, noise).astype(np.uint8)
    assert getattr(ways, measure)(noisy)[0] == pytest.approx(getattr(ways, measure)(drawn)[0], abs=0.3)
