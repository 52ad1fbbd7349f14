import numpy as np
import pytest

from pipeline.annotators.mtcnn import Mtcnn, pose
from pipeline.domains.portraits.data import draw
from pipeline.domains.portraits.render import sample_factors

FACE = np.array([[-1, 0], [1, 0], [0, 1], [-0.8, 2], [0.8, 2]], float)  # frontal: eyes, nose, mouth; x right, y down


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Clockwise in an image whose y points down."""
    a = np.radians(degrees)
    return points @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])


def test_the_frontal_face():
    assert pose(FACE) == pytest.approx((0, 0.5, 0, 0.8))


def test_yaw_and_pitch_follow_the_nose():
    moved = FACE + np.array([[0, 0], [0, 0], [0.3, 0.2], [0, 0], [0, 0]])
    yaw, pitch, roll, width = pose(moved)
    assert (yaw, pitch, roll, width) == pytest.approx((0.15, 0.6, 0, 0.8))


def test_only_roll_depends_on_how_the_image_is_rolled_scaled_and_placed():
    moved = FACE + np.array([[0, 0], [0, 0], [0.3, 0.2], [0, 0], [0, 0]])
    yaw, pitch, roll, width = pose(7 * turned(moved, 20) + 100)
    assert (yaw, pitch, roll, width) == pytest.approx((0.15, 0.6, 20, 0.8))


def test_landmarks_in_one_point_measure_nothing():
    assert np.isnan([*pose(np.zeros((5, 2)))][:2]).all()


@pytest.fixture(scope="module")
def scored():
    scores = Mtcnn().load()(draw(48, seed=21).permute(0, 2, 3, 1).numpy())
    return dict(zip(Mtcnn.attributes, scores.T, strict=True)), sample_factors(48, seed=21)


def test_a_detector_of_photographed_faces_finds_the_drawn_ones(scored):
    scores, _ = scored
    assert (scores["face"] > 0.7).mean() >= 0.95


def test_its_yaw_is_the_yaw_that_was_drawn(scored):
    scores, truth = scored
    found = ~np.isnan(scores["yaw"])
    assert np.corrcoef(scores["yaw"][found], truth.yaw.numpy()[found])[0, 1] > 0.9


def test_its_mouth_widens_with_the_smile_and_drawn_heads_are_upright(scored):
    scores, truth = scored
    found = ~np.isnan(scores["yaw"])
    assert np.corrcoef(scores["mouth_width"][found], truth.smile.numpy()[found])[0, 1] > 0.4
    assert np.abs(scores["roll"][found]).max() < 8


def test_an_image_that_is_not_square_keeps_its_proportions():
    portrait = draw(1, seed=21).permute(0, 2, 3, 1).numpy()
    wide = np.pad(portrait, [(0, 0), (0, 0), (16, 16), (0, 0)], mode="edge")
    score = Mtcnn().load()
    np.testing.assert_allclose(score(wide)[0, 1:3], score(portrait)[0, 1:3], atol=0.05)
