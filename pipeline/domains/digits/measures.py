"""What can be measured of a digit without any network: the annotator's ways.

Each function takes images (B, H, W, 3) uint8, white strokes on black, and returns (B,) float64; NaN where there is no ink.
Lengths are in pixels of the image.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label, zoom

Array = NDArray[np.float64]

PAPER = 0.15  # of 0..1: what is darker is no ink
FINER = 4  # times, where a border between pixels counts
LEVELS = (0.35, 0.45, 0.55, 0.65)  # of 0..1, at which a hole may be a hole


def slant(images: np.ndarray) -> Array:
    """Return by how many degrees digits lean to the right: the shear that would uncorrelate x and y of their ink."""
    down, along = _moments(images)
    return np.degrees(np.arctan2(-along, down))


def ink(images: np.ndarray) -> Array:
    """Return the mean grey level, 0 to 1; it is 0 where there is no ink."""
    return _grey(images).mean(axis=(1, 2))


def stroke_width(images: np.ndarray) -> Array:
    """Return the mean width of strokes: four times the mean distance of their points to the nearest paper."""
    return each(images, _stroke_width)


def loops(images: np.ndarray) -> Array:
    """Return how many holes digits enclose, a mean over four levels of grey: half a hole is one that is nearly closed."""
    return each(
        images, lambda grey: float(np.mean([_holes(grey > level) for level in LEVELS])) if grey.any() else np.nan
    )


def each(images: np.ndarray, measure: Callable[[Array], float]) -> Array:
    """Return what a function says of the grey levels (H, W), 0 to 1, of every image: (B,)."""
    return np.array([measure(grey) for grey in _grey(images)], np.float64)


def _grey(images: np.ndarray) -> Array:
    """Return grey levels (B, H, W), 0 to 1, those of paper 0."""
    grey = images.mean(axis=-1) / 255
    return np.where(grey > PAPER, grey, 0)


def _moments(images: np.ndarray) -> tuple[Array, Array]:
    """Return the central second moments of the ink, of y and of x with y; NaN where there is none."""
    grey = _grey(images)
    rows, columns = np.indices(grey.shape[1:])
    mass = grey.sum(axis=(1, 2))
    mass = np.where(mass > 0, mass, np.nan)

    def mean(values: Array) -> Array:
        return (grey * values).sum(axis=(1, 2)) / mass

    x, y = (axis - mean(axis)[:, None, None] for axis in (columns.astype(float), rows.astype(float)))
    return mean(y * y), mean(x * y)


def _stroke_width(grey: Array) -> float:
    strokes = zoom(np.pad(grey, 1), FINER, order=1, grid_mode=True, mode="nearest") > 0.5
    if not strokes.any():
        return np.nan
    to_the_border = distance_transform_edt(strokes)[strokes] - 0.5
    return float(4 * to_the_border.mean() / FINER)


def _holes(strokes: NDArray[np.bool_]) -> int:
    """Return the regions of paper, connected by edges, but for the one around the digit."""
    return int(label(~np.pad(strokes, 1))[1]) - 1
