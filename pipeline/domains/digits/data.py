"""Real handwritten digits, 8 x 8 (scikit-learn's `load_digits`), upscaled to 32 x 32 and varied a little.

What varies: slant, size and place (an affine map, by which the digit is upscaled at once, bicubically) and the level of
grey at which its smooth strokes are cut, which makes them thinner or thicker.
"""

from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

SIZE = 32  # pixels, the resolution of the model
MARGIN = 1  # pixels of the 8 x 8 original, on each side: its strokes touch the border
CONTRAST = 2.0
LEVEL = 0.45  # of 0..1, where an unvaried digit is cut
SHARES = {"train": 900, "judge": 600, "held-out": 297}  # of the 1,797: U-Net and annotator, judge, neither
SPLIT = 0  # seed of the order in which they are shared out


@dataclass(frozen=True)
class Variation:
    """How far a digit is varied, each uniformly and on both sides."""

    slant: float = 0.25  # tangent of the angle: 14 degrees
    size: float = 0.1  # share of height, and of width
    shift: float = 1.0  # pixels of SIZE
    level: float = 0.12


NONE = Variation(slant=0, size=0, shift=0, level=0)


def digits(part: str) -> tuple[Tensor, Tensor]:
    """Return the originals of one of `SHARES` (n, 1, 8, 8), 0 to 1, and which digits they are (n,), int64."""
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(SPLIT))
    names, counts = zip(*SHARES.items(), strict=True)
    rows = order.split(counts)[names.index(part)]
    return torch.from_numpy(data.images).float()[rows, None] / 16, torch.from_numpy(data.target)[rows]


def draw(part: str, n: int, seed: int, variation: Variation = Variation()) -> tuple[Tensor, Tensor]:
    """Return n varied digits of a part (n, 1, SIZE, SIZE), uint8, and which they are (n,): all in turn, then again."""
    images, classes = digits(part)
    rows = torch.arange(n) % len(images)
    varied = vary(images[rows], variation, torch.Generator().manual_seed(seed))
    return (varied * 255).round().to(torch.uint8), classes[rows]


def vary(images: Tensor, by: Variation, stream: torch.Generator) -> Tensor:
    """Return originals (n, 1, 8, 8) at the model's size (n, 1, SIZE, SIZE), each varied differently; both 0 to 1."""
    n = len(images)

    def around(centre: float, range_: float) -> Tensor:
        return centre + range_ * (2 * torch.rand(n, generator=stream) - 1)

    place = torch.zeros(n, 2, 3)  # from pixels of the new image to where they are in the old
    place[:, 0, 0] = 1 / around(1, by.size)
    place[:, 1, 1] = 1 / around(1, by.size)
    place[:, 0, 1] = around(0, by.slant)
    place[:, 0, 2] = around(0, 2 * by.shift / SIZE)  # the grid's unit is half the image
    place[:, 1, 2] = around(0, 2 * by.shift / SIZE)
    grid = affine_grid(place, [n, 1, SIZE, SIZE], align_corners=False)
    smooth = grid_sample(pad(images, (MARGIN,) * 4), grid, mode="bicubic", align_corners=False)
    return (CONTRAST * (smooth - around(LEVEL, by.level).view(n, 1, 1, 1)) + 0.5).clamp(0, 1)


def to_float(images: Tensor) -> Tensor:
    """uint8 in 0..255 -> float32 in [-1, 1], the range a U-Net of diffusers works in."""
    return images.float() / 127.5 - 1
