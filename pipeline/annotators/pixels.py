"""What any image has, whatever it shows: brightness, contrast, warmth, saturation and sharpness, by plain arithmetic."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.annotators.base import Scorer, to_tensor

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, of red, green and blue


@dataclass(frozen=True)
class Pixels:
    """Figures of the pixels, 0 .. 255. A model that nobody has a classifier for is measured by these."""

    name: ClassVar[str] = "pixels"
    attributes: ClassVar[tuple[str, ...]] = ("brightness", "contrast", "warmth", "saturation", "sharpness")
    thresholds: ClassVar[tuple[float, ...]] = (float("nan"),) * 5
    version: ClassVar[int] = 1
    describes: ClassVar[str] = "What any image has, whatever it shows, by plain arithmetic on its pixels."

    def load(self) -> Scorer:
        return figures


def figures(images: np.ndarray) -> np.ndarray:
    """Images (B, H, W, 3) uint8 -> (B, 5) float32.

    brightness: mean luma; contrast: its standard deviation; warmth: mean of red less blue; saturation: mean of the largest channel
    less the smallest; sharpness: mean absolute difference of luma between neighbouring pixels.
    """
    pixels = to_tensor(images).permute(0, 2, 3, 1).numpy()
    luma = pixels @ LUMA
    steps = [np.abs(np.diff(luma, axis=axis)) for axis in (2, 1)]
    across, down = (each.reshape(len(luma), each.shape[1] * each.shape[2]) for each in steps)
    neighbours = np.concatenate([across, down], axis=1)
    return np.stack(
        [
            luma.mean((1, 2)),
            luma.std((1, 2)),
            (pixels[..., 0] - pixels[..., 2]).mean((1, 2)),
            (pixels.max(-1) - pixels.min(-1)).mean((1, 2)),
            neighbours.mean(1) if neighbours.shape[1] else np.zeros(len(luma), np.float32),
        ],
        axis=1,
    )
