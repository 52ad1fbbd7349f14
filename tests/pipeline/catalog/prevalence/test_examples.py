"""Which images show what a score means."""

import io

import numpy as np
from PIL import Image

from pipeline.catalog.prevalence.examples import EACH, examples, pictures

NAN = float("nan")


def test_ends_and_threshold_of_planted_scores():
    scores = np.append(np.random.default_rng(0).permutation(100).astype(float), NAN)
    lowest, near, highest = examples(scores, 39.5)
    assert [scores[row] for row in lowest.rows] == [0, 1, 2, 3, 4, 5] and (lowest.low, lowest.high) == (0, 5)
    assert [scores[row] for row in near.rows] == [37, 38, 39, 40, 41, 42] and near.what == "At the threshold"
    assert sorted(scores[row] for row in highest.rows) == [94, 95, 96, 97, 98, 99]
    assert examples(scores, NAN)[1].what == "Median" and (
        examples(scores, NAN)[1].low,
        examples(scores, NAN)[1].high,
    ) == (47, 52)


def test_of_images_that_score_alike_some_are_shown_from_all_over_the_set():
    scores = np.zeros(600)
    scores[[3, 50, 77]] = 1
    lowest, highest = examples(scores, 0.5)
    assert highest.rows == (3, 50, 77) and len(lowest.rows) == EACH
    assert lowest.rows[0] < 100 and lowest.rows[-1] > 450 and not scores[list(lowest.rows)].any()


def test_nothing_and_one_image():
    assert examples(np.full(3, NAN), 0.5) == ()
    assert [each.rows for each in examples(np.array([NAN, 2.0]), 0.5)] == [(1,)]


def test_each_row_is_read_once_in_the_order_of_the_set():
    asked = []

    def images(rows):
        asked.extend(rows)
        return np.stack([np.full((200, 100, 3), row, np.uint8) for row in rows])

    scores = np.random.default_rng(0).permutation(200).astype(float)
    found = pictures([*examples(scores, 100.0), *examples(scores, 100.0), *examples(-scores, NAN)], images)
    assert asked == sorted(set(asked)) and set(found) == set(asked)
    for row, jpeg in found.items():
        shown = np.asarray(Image.open(io.BytesIO(jpeg)))
        assert shown.shape == (96, 48, 3) and abs(int(shown.mean()) - row) <= 2
