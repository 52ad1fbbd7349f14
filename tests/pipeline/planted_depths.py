"""A synthetic generator of several blocks whose attributes enter at known depths and are decided at known steps. Imported by name.

An image is five stripes, a stripe an attribute. Its left half is the attribute's shade; its right half is the sample's own noise,
which no step changes, so that the U-Net reads there at every step who the sample is. What it reads goes by the mid block, or around
it by a skip connection into one of the blocks after it. An attribute that is decided in a third of the steps is what its code says
until that third ends, and from then on what can be seen in the left half.

    attribute   alpha   beta    gamma                delta       epsilon
    goes by     mid     mid     a skip to up 0       to up 1     the mid block and a skip to up 0, one half each
    decided     early   late    in between           late        late
"""

import json
from dataclasses import dataclass
from math import prod
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.hspace.capture import MID_BLOCK, canonical, singles
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.points import Point
from pipeline.models.pretrained import LoadedModel, Model
from tests.pipeline.planted_generator import ATTRIBUTES, SIZE, SPREAD, STRIPE, MidBlock, PlantedAnnotator

STEPS = 6
# Cumulative, by timestep. What a third decides is seen well in the next one, and has nothing left of what was there before.
ALPHAS = (0.999995, 0.99999, 0.98, 0.97, 0.02, 0.01)
HALF = SIZE // 2
THROUGH = {  # the share of each attribute that comes in where
    MID_BLOCK: (1.0, 1.0, 0.0, 0.0, 0.5),
    "up_blocks.0": (0.0, 0.0, 1.0, 0.0, 0.5),
    "up_blocks.1": (0.0, 0.0, 0.0, 1.0, 0.0),
}
CARRIED = {  # what swaps take: all that has come in
    point: tuple(np.cumsum([*THROUGH.values()], axis=0)[i]) for i, point in enumerate(THROUGH)
}
DECIDED = (0, 2, 1, 2, 2)  # in which third
SHAPES = {MID_BLOCK: (5, 2, 2), "up_blocks.0": (5, 4, 4), "up_blocks.1": (5, 8, 8)}


class Up(nn.Module):
    """Twice as large, and what comes by the skip connection beside it."""

    def forward(self, h: Tensor, skip: Tensor) -> Tensor:
        return nn.functional.interpolate(h, scale_factor=2) + skip[..., None, None]


class PlantedDepths(nn.Module):
    """x_t (B, 3, 20, 20) -> codes (B, 5) -> h at three depths -> P_t (B, 3, 20, 20), what the scheduler calls a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.mid_block = MidBlock()
        self.up_blocks = nn.ModuleList([Up(), Up()])
        self.alphas = nn.Parameter(torch.tensor(ALPHAS), requires_grad=False)
        self.config = {"in_channels": 3}

    def forward(self, x_t: Tensor, t: Tensor) -> SimpleNamespace:
        alpha, step = self.alphas[t[0]], STEPS - 1 - int(t[0])
        stripes = x_t.unflatten(2, (len(ATTRIBUTES), STRIPE))
        codes = stripes[..., HALF:].mean(dim=(1, 3, 4)) * (3 * STRIPE * HALF) ** 0.5 / (1 - alpha) ** 0.5  # normal
        codes = codes * torch.tensor(SPREAD)
        by_mid, by_first, by_second = (codes * torch.tensor(share) for share in THROUGH.values())
        h = self.mid_block(by_mid[..., None, None].expand(-1, -1, 2, 2))
        h = self.up_blocks[1](self.up_blocks[0](h, by_first), by_second)
        seen = stripes[..., :HALF].mean(dim=(1, 3, 4)) / alpha**0.5
        is_decided = torch.tensor([step * 3 // STEPS > third for third in DECIDED])
        shades = torch.where(is_decided, seen, h.mean(dim=(2, 3)))
        image = torch.zeros_like(stripes)
        image[..., :HALF] = shades[:, None, :, None, None]
        return SimpleNamespace(sample=image.flatten(2, 3))


@dataclass(frozen=True)
class DepthsModel(Model):
    weights: str = "planted depths"
    unet: str = json.dumps({"sample_size": SIZE, "in_channels": 3})
    scheduler: str = json.dumps({"prediction_type": "sample", "clip_sample": False})
    name: str = "planted depths"
    folder: str = ""

    def h_shape(self, point: str = MID_BLOCK) -> tuple[int, ...]:
        found = singles(canonical(point))
        if unknown := set(found) - set(SHAPES):
            raise UserError(f"There is no {unknown.pop()}.")
        return SHAPES[found[0]] if len(found) == 1 else (sum(prod(SHAPES[each]) for each in found),)

    def points(self) -> list[Point]:
        return [Point(name, shape) for name, shape in SHAPES.items()]

    def ddim(self, clip: bool | None = None) -> DDIMScheduler:
        """Alphas as planted."""
        alphas = np.array([1.0, *ALPHAS])
        settings = {"prediction_type": "sample", "clip_sample": False, "num_train_timesteps": STEPS}
        return DDIMScheduler(trained_betas=(1 - alphas[1:] / alphas[:-1]).tolist(), **settings)

    def load(self, point: str = MID_BLOCK, dtype: str = "float32", compiled: bool = False) -> LoadedModel:
        return LoadedModel(Denoiser(PlantedDepths(), point))


def shades_of_halves(images: np.ndarray) -> np.ndarray:
    """(B, 20, 20, 3) uint8 -> (B, 5), of the left halves."""
    stripes = images[:, :, :HALF].reshape(len(images), len(ATTRIBUTES), -1).astype(np.float64)
    return (stripes.mean(axis=2) / 127.5 - 1).astype(np.float32)


@dataclass(frozen=True)
class DepthsAnnotator(PlantedAnnotator):
    """Reads the shades of the left halves, but for the rounding to uint8."""

    weights: str = "depths"

    def load(self):
        return shades_of_halves


@dataclass(frozen=True)
class DepthsJudge(DepthsAnnotator):
    """The same on a scale that levels off."""

    name: ClassVar[str] = "depths-judge"
    weights: str = "depths-judge"

    def load(self):
        return lambda images: np.tanh(3 * shades_of_halves(images))
