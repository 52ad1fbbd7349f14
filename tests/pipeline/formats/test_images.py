"""Images survive the files that they are written to."""

import io

import numpy as np
from PIL import Image

from pipeline.formats.images import png, thumbnail


def test_a_png_is_the_image_itself():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(image)))), image)


def test_a_thumbnail_is_a_small_jpeg_of_the_same_shape():
    image = np.zeros((256, 128, 3), np.uint8)
    image[:128] = (200, 40, 90)
    small = Image.open(io.BytesIO(thumbnail(image)))
    assert (small.format, small.size) == ("JPEG", (64, 128))
    colours = np.asarray(small.convert("RGB")).astype(int)
    assert np.abs(colours[:60] - (200, 40, 90)).max() < 12 and colours[70:].max() < 12
    assert Image.open(io.BytesIO(thumbnail(image[:40, :40]))).size == (40, 40), "what is small stays so"
