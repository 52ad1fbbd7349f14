"""What any image has, of images that have it plainly."""

import numpy as np

from pipeline.annotators.pixels import Pixels

ATTRIBUTES = Pixels.attributes


def of(images: list[np.ndarray]) -> dict[str, np.ndarray]:
    scores = Pixels().load()(np.stack(images).astype(np.uint8))
    assert scores.dtype == np.float32
    return dict(zip(ATTRIBUTES, scores.T, strict=True))


def plain(red: int, green: int, blue: int) -> np.ndarray:
    return np.full((6, 8, 3), (red, green, blue))


def test_plain_colours():
    found = of([plain(0, 0, 0), plain(255, 255, 255), plain(200, 100, 50), plain(50, 100, 200)])
    assert np.allclose(found["brightness"], [0, 255, 0.299 * 200 + 58.7 + 5.7, 0.299 * 50 + 58.7 + 22.8], atol=1e-3)
    assert np.allclose(found["warmth"], [0, 0, 150, -150])
    assert np.allclose(found["saturation"], [0, 0, 150, 150])
    assert np.allclose(found["contrast"], 0, atol=1e-3) and np.allclose(found["sharpness"], 0, atol=1e-3)


def test_stripes_are_sharper_than_halves_of_the_same_contrast():
    stripes, halves = np.zeros((6, 8, 3)), np.zeros((6, 8, 3))
    stripes[:, ::2], halves[:, :4] = 255, 255
    found = of([stripes, halves])
    assert np.allclose(found["contrast"], 127.5, atol=1e-2)
    steps = 6 * 7 + 5 * 8  # pairs of neighbours
    assert np.allclose(found["sharpness"], [255 * 6 * 7 / steps, 255 * 6 / steps], atol=1e-2)
