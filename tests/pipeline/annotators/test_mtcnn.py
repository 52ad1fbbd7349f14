import numpy as np
import pytest

from pipeline.annotators.base import gpus_of
from pipeline.annotators.mtcnn import Mtcnn, pose
from pipeline.annotators.names import check_distinct
from pipeline.annotators.registry import annotator
from pipeline.domains.portraits.data import draw
from pipeline.domains.portraits.render import render, sample_factors
from pipeline.errors import UserError
from pipeline.fingerprint import settings

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
    return dict(zip(Mtcnn().attributes, scores.T, strict=True)), sample_factors(48, seed=21)


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


# Which face, how many, and where


def pasted(height: int, width: int, *places: tuple[int, int, int]) -> np.ndarray:
    """A grey image (1, height, width, 3) with drawn heads in it: size, top and left of each."""
    image = np.full((1, height, width, 3), 128, np.uint8)
    for size, top, left in places:
        drawn = (render(sample_factors(1, seed=23), size)[0].permute(1, 2, 0).numpy() + 1) * 127.5
        image[0, top : top + size, left : left + size] = drawn.round()
    return image


def scored_as(image: np.ndarray, **settings) -> dict[str, float]:
    of = Mtcnn(**settings)
    return dict(zip(of.attributes, of.load()(image)[0].astype(float), strict=True))


@pytest.mark.parametrize(("which", "size", "top", "left"), [("largest", 120, 5, 5), ("central", 60, 100, 140)])
def test_one_of_several_faces_is_chosen_and_all_are_counted(which, size, top, left):
    image = pasted(220, 320, (120, 5, 5), (60, 100, 140), (80, 130, 235))
    found = scored_as(image, which=which, faces=True, box=True, landmarks=True)
    assert found["faces"] == 3
    x, y = (found["box_left"] + found["box_right"]) / 2, (found["box_top"] + found["box_bottom"]) / 2
    assert left < found["box_left"] < x < found["box_right"] < left + size
    assert top < found["box_top"] < y < found["box_bottom"] < top + size
    assert found["box_left"] < found["left_eye_x"] < found["nose_x"] < found["right_eye_x"] < found["box_right"]
    assert found["box_top"] < found["left_eye_y"] < found["nose_y"] < found["right_mouth_y"] < found["box_bottom"]


def test_the_most_probable_face_is_the_one_with_the_highest_probability():
    image = pasted(220, 320, (120, 5, 5), (60, 100, 140), (80, 130, 235))
    probabilities = {which: scored_as(image, which=which)["face"] for which in ("largest", "central", "probable")}
    assert probabilities["probable"] == max(probabilities.values()) > min(probabilities.values())


def test_the_landmarks_are_where_the_locator_finds_them():
    image = pasted(200, 300, (120, 40, 90))
    scores, [points] = scored_as(image, landmarks=True), Mtcnn().locator()(image)
    assert [*scores.values()][5:] == pytest.approx(points.ravel(), rel=1e-5)


# What is looked for


def test_a_small_face_in_a_large_picture_is_found():
    """A fifth of the height: where an image is looked at at one size alone, it is too small to be seen."""
    image = pasted(500, 700, (100, 300, 400))
    assert scored_as(image)["face"] > 0.7
    assert scored_as(image, smallest_face=200)["face"] == 0, "it was not to be looked for"


@pytest.mark.parametrize(
    ("shape", "face"),
    [((48, 48), 0), ((20, 20), 0), ((700, 1024), 0), ((700, 1025), np.nan), ((19, 300), np.nan), ((1, 3000), np.nan)],
)
def test_no_face_is_0_where_all_were_looked_for_and_missing_otherwise(shape, face):
    found = scored_as(np.full((1, *shape, 3), 90, np.uint8), faces=True, box=True)
    assert [found["face"], found["faces"]] == pytest.approx([face] * 2, nan_ok=True)
    assert np.isnan([value for name, value in found.items() if name not in ("face", "faces")]).all()


def test_no_face_is_missing_where_the_image_was_shrunk_and_faces_with_it():
    none, some = [0.0, *[np.nan] * 4, 0.0], [0.9, 0.0, 0.5, 0.0, 1.0, 2.0]
    scores, scales = np.array([none, none, none, some]), np.array([0.5, 1.0, 1.01, 6.25])
    missed = Mtcnn(faces=True).missed(scores, scales)
    assert missed[2].tolist() == [True, *[False] * 4, True] and missed.sum() == 2
    assert Mtcnn(faces=True, smallest_stored=125).missed(scores[[0, 0]], np.array([6.25, 6.3])).sum() == 2
    with pytest.raises(UserError, match="A `smallest_stored` of 10: expected no less than the `smallest_face`, 20"):
        annotator("mtcnn+smallest_stored=10")


def test_two_settings_of_it_have_names_of_their_own_and_the_first_is_what_it_was():
    other = annotator("mtcnn+which=central+name=middle")
    check_distinct(annotator("mtcnn"), other)
    assert (other.name, annotator("mtcnn").name) == ("middle", "mtcnn")
    assert settings(Mtcnn())["name"] == "mtcnn" and "smallest_stored" not in settings(Mtcnn())
    with pytest.raises(UserError, match="'portraits', as another annotator is already"):
        annotator("mtcnn+name=portraits")
    with pytest.raises(UserError, match="'a,b' as the name of an annotator"):
        annotator("mtcnn+name=a,b")


def test_an_image_is_looked_at_again_only_where_that_adds_something():
    assert [(look.height, look.limit) for look in Mtcnn().looks(48, 48)] == [(160, 15)]
    assert [(look.height, look.limit) for look in Mtcnn().looks(320, 320)] == [(160, 100), (320, 20)]
    assert [look.limit for look in Mtcnn(which="central").looks(320, 320)] == [20]
    assert [look.limit for look in Mtcnn().looks(2048, 2048)] == [640, 40]


def test_its_limits_are_recorded_and_where_it_runs_is_not():
    told = settings(Mtcnn(which="central", gpu=True))
    assert told.items() >= {"which": "central", "smallest_face": 20, "longest": 1024, "large_face": 50}.items()
    assert told == settings(Mtcnn(which="central")) and gpus_of(Mtcnn()) == 0 < gpus_of(Mtcnn(gpu=True))


def test_its_settings_are_those_of_its_spec():
    told = annotator("mtcnn+which=central+box=true+faces=true")
    assert told == Mtcnn(which="central", box=True, faces=True)
    assert told.attributes[5:] == ("faces", "box_left", "box_top", "box_right", "box_bottom")
    assert len(told.thresholds) == len(told.attributes)
    with pytest.raises(UserError, match="A `smallest_face` of 0: expected"):
        annotator("mtcnn+smallest_face=0")
