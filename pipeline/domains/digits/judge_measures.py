"""The same measured in other ways: the judge's. Two methods agree on what is there, and not on their accidents.

Each function takes images (B, H, W, 3) uint8, white strokes on black, and returns (B,) float64; NaN where there is no ink.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from pipeline.domains.digits.measures import Array, each

LEVELS = (0.4, 0.5, 0.6)  # of 0..1, at which a hole may be a hole


def slant(images: np.ndarray) -> Array:
    """Return by how many degrees digits lean to the right: the line through the middles of their rows, by least squares."""
    return each(images, _slant)


def ink(images: np.ndarray) -> Array:
    """Return the share of the pixels that are nearer to white than to black."""
    return each(images, lambda grey: float((grey > 0.5).mean()))


def stroke_width(images: np.ndarray) -> Array:
    """Return the mean width of strokes: twice their area over the length of their border (a digit's total variation)."""
    return each(images, _stroke_width)


def loops(images: np.ndarray) -> Array:
    """Return how many holes digits enclose: their pieces less their Euler number, a mean over three levels of grey."""
    return each(
        images, lambda grey: float(np.mean([_loops(grey > level) for level in LEVELS])) if grey.any() else np.nan
    )


def _slant(grey: Array) -> float:
    rows = np.flatnonzero((grey > 0.5).any(axis=1))
    if len(rows) < 2:
        return np.nan
    middles = [np.flatnonzero(grey[row] > 0.5)[[0, -1]].mean() for row in rows]
    return float(np.degrees(np.arctan(-np.polyfit(rows, middles, 1)[0])))


def _stroke_width(grey: Array) -> float:
    border = np.hypot(*np.gradient(np.pad(grey, 2))).sum()
    return float(2 * grey.sum() / border) if border else np.nan


def _loops(strokes: NDArray[np.bool_]) -> float:
    """Return pieces - Euler number, of pixels that touch at edges or corners: vertices - edges + faces."""
    padded = np.pad(strokes, 1)
    below, beside = padded[:-1] | padded[1:], padded[:, :-1] | padded[:, 1:]
    vertices, edges = (below[:, :-1] | below[:, 1:]).sum(), below.sum() + beside.sum()
    pieces = label(padded, np.ones((3, 3)))[1]
    return float(pieces - (vertices - edges + padded.sum()))
