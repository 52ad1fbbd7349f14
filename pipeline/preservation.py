"""What an edit leaves alone: how much of the change of an image lies inside a region."""

import numpy as np


def inside_and_outside(before: np.ndarray, after: np.ndarray, masks: np.ndarray) -> tuple[float, float]:
    """Mean squared change per pixel and channel, in levels of 0..255 squared: inside the regions, and outside.

    before, after: images (n, H, W, 3) uint8; masks (n, H, W), 0 to 1, NaN where an image has no such region: it is left out. The
    sums run over all images, so that the quotient of the two is per area. NaN where nothing is inside, or nothing outside.
    """
    there = ~np.isnan(masks).any(axis=(1, 2))
    change = np.square(after[there].astype(np.float64) - before[there]).mean(axis=-1)  # (n, H, W)
    inside, outside = masks[there].astype(np.float64), 1.0 - masks[there]
    with np.errstate(invalid="ignore"):
        return float((change * inside).sum() / inside.sum()), float((change * outside).sum() / outside.sum())
