"""Regions of interest: images in, masks out (the M of Eq. 10 in Haas et al. 2024).

A mask is a frozen dataclass, as an annotator is; `load()` gives the function that finds the region in each image:

    images (B, H, W, 3) uint8 RGB  ->  (B, H, W) float32, 0 outside to 1 inside, NaN where an image has no such region
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from pipeline.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

Masker = Callable[[np.ndarray], np.ndarray]

WHOLE = "image"  # what the whole image is called, where a region is named


class Mask(Protocol):
    """Nothing to inherit from: any frozen dataclass of this shape will do."""

    @property
    def name(self) -> str:
        """Short; directions are named by it."""
        ...

    def check(self, height: int, width: int) -> None:
        """Raise UserError where it cannot fit images of this size."""
        ...

    def load(self) -> Masker:
        """What finds the region in images."""
        ...


@dataclass(frozen=True)
class Box:
    """The same rectangle in every image, in pixels; right and bottom are the first outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def name(self) -> str:
        return f"box-{self.left}-{self.top}-{self.right}-{self.bottom}"

    def check(self, height: int, width: int) -> None:
        if not (0 <= self.left < self.right <= width and 0 <= self.top < self.bottom <= height):
            raise UserError(
                f"The box {self.left},{self.top},{self.right},{self.bottom} (left, top, right, bottom) does not lie in images "
                f"of {width} x {height} pixels, or is empty."
            )

    def load(self) -> Masker:
        def find(images: np.ndarray) -> np.ndarray:
            masks = np.zeros(images.shape[:3], np.float32)
            masks[:, self.top : self.bottom, self.left : self.right] = 1
            return masks

        return find


# Use


def remembered(find: Masker, images: int = 512) -> Masker:
    """The same masks, looked for once in each of the last so many images."""

    @lru_cache(maxsize=images)
    def one(pixels: bytes, shape: tuple[int, ...]) -> np.ndarray:
        return find(np.frombuffer(bytearray(pixels), np.uint8).reshape(1, *shape))[0]  # writable, as torch wants it

    return lambda several: np.stack([one(image.tobytes(), image.shape) for image in several])


def to_latents(masks: "Tensor", height: int, width: int) -> "Tensor":
    """Masks (B, H, W) at the size of x_t: (B, 1, height, width). A latent has the mean of the pixels that it stands for."""
    import torch

    return torch.nn.functional.adaptive_avg_pool2d(masks[:, None], (height, width))


def outline(image: np.ndarray, mask: np.ndarray, enlarge: int = 1) -> np.ndarray:
    """The image (H, W, 3) uint8, `enlarge` times as large, dimmed outside the region and with its border drawn in."""
    large = np.asarray(Image.fromarray(image).resize((image.shape[1] * enlarge, image.shape[0] * enlarge)), np.float32)
    inside = np.asarray(Image.fromarray(mask).resize(large.shape[1::-1], Image.Resampling.BILINEAR)) >= 0.5
    neighbours = [np.roll(inside, shift, axis) for axis in (0, 1) for shift in (-1, 1)]
    border = inside & ~np.logical_and.reduce(neighbours)
    drawn = np.where(inside[..., None], large, 0.75 * large)
    return np.where(border[..., None], 255, drawn).round().astype(np.uint8)
