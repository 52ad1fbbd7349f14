"""Plugs that live outside the package: a module of a person's own, in a folder that one stands in, beside one that it imports."""

from pathlib import Path

PLUGS = '''
"""Plugs of a person's own."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outside_sibling import halves, inverted
from pipeline.annotators import attributes, region
from pipeline.errors import UserError


@attributes("bright", "warm", thresholds=(0.5, 0.0))
def shades(images):
    """How bright an image is, and how warm: of any images."""
    return np.stack([images.mean(axis=(1, 2, 3)) / 255, warmth(images)], axis=1)


def warmth(images):
    return (images[..., 0].astype(float) - images[..., 2]).mean(axis=(1, 2)) / 255


@dataclass(frozen=True)
class Ink:
    """How dark an image is; of one that is all white there is nothing to say."""

    power: float = 1.0

    name: ClassVar[str] = "ink"
    attributes: ClassVar[tuple[str, ...]] = ("dark",)
    thresholds: ClassVar[tuple[float, ...]] = (0.5,)

    def check(self, height, width):
        if min(height, width) < 10:
            raise UserError(f"Ink is looked for in images of at least 10 pixels, found {height} x {width}.")

    def load(self):
        return lambda images: [np.nan if (each == 255).all() else inverted(each).mean() ** self.power for each in images]

    def embedder(self):
        return halves


@region
def middle(images):
    masks = np.zeros(images.shape[:3], bool)
    masks[:, images.shape[1] // 4 : 3 * images.shape[1] // 4] = True
    return masks


@dataclass(frozen=True)
class Border:
    """The pixels along the edge, where an image is not black."""

    name: ClassVar[str] = "border"

    def check(self, height, width):
        if min(height, width) < 3:
            raise UserError(f"{height} x {width} pixels are all border.")

    def load(self):
        return borders


def borders(images):
    masks = np.ones(images.shape[:3], np.float64)
    masks[:, 1:-1, 1:-1] = 0
    masks[images.max(axis=(1, 2, 3)) == 0] = np.nan
    return masks


bold = Ink(2.0)


def made():
    return bold
'''

SIBLING = """
def inverted(image):
    return 1 - image / 255

def halves(images):
    return images.reshape(len(images), 2, -1).mean(axis=2)
"""


def write(folder: Path) -> Path:
    """Write the module `outside_plugs` and its sibling into a folder."""
    (folder / "outside_plugs.py").write_text(PLUGS)
    (folder / "outside_sibling.py").write_text(SIBLING)
    return folder
