"""A synthetic generator whose attributes are linear in h by construction, its annotators, and finders of known directions.

An image is five stripes. At its one step the U-Net makes h from x_T, and the image from h alone: attribute k is the shade of
stripe k, and moves by w_k . v when v is added to h, where the w_k are orthonormal. Unedited, attribute k is normal with standard
deviation SPREAD[k], independent of the others. Whatever moves a shade adds the same to every image: a template. In `MovingModel`
some changes are where the sample is. Imported by name.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.hspace.denoiser import Denoiser
from pipeline.models.pretrained import LoadedModel, Model
from pipeline.stages.finders.finder import write_directions

ATTRIBUTES = ("alpha", "beta", "gamma", "delta", "epsilon")
SPREAD = (0.16, 0.13, 0.10, 0.08, 0.06)
SIZE, STRIPE = 20, 4  # pixels
H_SHAPE = (32, 4, 4)
W = np.linalg.qr(np.random.default_rng(0).standard_normal((512, 5)))[0].T.astype(np.float32)  # (5, 512)
GRAIN = (
    np.linspace(-4, 4, 3 * STRIPE * SIZE).reshape(3, 1, STRIPE, SIZE) / 255
)  # in every stripe, so that uint8 rounds its mean little


class MidBlock(nn.Module):
    def forward(self, h: Tensor) -> Tensor:
        return h


class PlantedUnet(nn.Module):
    """x_T (B, 3, 20, 20) -> h (B, 32, 4, 4) -> P (B, 3, 20, 20), what the scheduler calls a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.mid_block = MidBlock()
        self.w = nn.Parameter(torch.from_numpy(W), requires_grad=False)
        self.grain = nn.Parameter(torch.from_numpy(GRAIN).float(), requires_grad=False)
        self.config = {"in_channels": 3}

    def forward(self, x_T: Tensor, t: Tensor) -> SimpleNamespace:
        stripes = x_T.unflatten(2, (len(ATTRIBUTES), STRIPE)).mean(dim=(1, 3, 4)) * (3 * STRIPE * SIZE) ** 0.5
        h = self.mid_block((stripes * torch.tensor(SPREAD) @ self.w).view(-1, *H_SHAPE))
        shades = h.flatten(1) @ self.w.T  # (B, 5)
        image = shades[:, None, :, None, None] + self.grain
        return SimpleNamespace(sample=image.reshape(-1, 3, SIZE, SIZE))


@dataclass(frozen=True)
class PlantedModel(Model):
    weights: str = "planted"
    unet: str = json.dumps({"sample_size": SIZE, "in_channels": 3})
    scheduler: str = json.dumps({"prediction_type": "sample", "clip_sample": False})
    name: str = "planted"
    folder: str = ""

    def h_shape(self, point: str = "after") -> tuple[int, int, int]:
        return H_SHAPE

    def load(self, point: str = "after", dtype: str = "float32", compiled: bool = False) -> LoadedModel:
        return LoadedModel(Denoiser(PlantedUnet()))


class MovingUnet(PlantedUnet):
    """Instead of stripes a spot, that alpha places and beta lights, and a corner that gamma lights wherever the spot is."""

    def forward(self, x_T: Tensor, t: Tensor) -> SimpleNamespace:
        stripes = super().forward(x_T, t).sample.unflatten(2, (len(ATTRIBUTES), STRIPE)).mean(dim=(1, 3, 4))
        place, light, corner, *_ = (each[:, None, None] for each in (stripes / torch.tensor(SPREAD)).T)
        y, x = torch.meshgrid(*[torch.arange(SIZE, dtype=torch.float32)] * 2, indexing="ij")
        spot = torch.exp(-((x - SIZE / 2 - 2.5 * place) ** 2 + (y - 13) ** 2) / 2)
        image = -0.5 + (0.6 + 0.1 * light) * spot + 0.1 * corner * ((x < 4) & (y < 4))
        return SimpleNamespace(sample=image[:, None].expand(-1, 3, -1, -1))


@dataclass(frozen=True)
class MovingModel(PlantedModel):
    weights: str = "moving"
    name: str = "moving"

    def load(self, point: str = "after", dtype: str = "float32", compiled: bool = False) -> LoadedModel:
        return LoadedModel(Denoiser(MovingUnet()))


@dataclass(frozen=True)
class Spot:
    """The region that the spot of `MovingUnet` lights."""

    name: ClassVar[str] = "spot"

    def check(self, height: int, width: int) -> None: ...

    def load(self) -> Callable[[np.ndarray], np.ndarray]:
        def find(images: np.ndarray) -> np.ndarray:
            masks = (images.mean(axis=-1) > 80).astype(np.float32)
            masks[:, :6] = 0
            return masks

        return find


@dataclass(frozen=True)
class PlantedAnnotator:
    """Reads the shades, -1 to 1: exactly, but for the rounding to uint8."""

    name: ClassVar[str] = "planted"
    attributes: ClassVar[tuple[str, ...]] = ATTRIBUTES
    thresholds: ClassVar[tuple[float, ...]] = (0.0,) * 5
    weights: str = "annotator"

    def load(self) -> Callable[[np.ndarray], np.ndarray]:
        return shades

    def embedder(self) -> Callable[[np.ndarray], np.ndarray]:
        return shades


@dataclass(frozen=True)
class PlantedJudge(PlantedAnnotator):
    name: ClassVar[str] = "planted-judge"
    weights: str = "judge"


@dataclass(frozen=True)
class LevellingJudge(PlantedAnnotator):
    """Reads shades on a scale that levels off, as the attributes of faces do."""

    name: ClassVar[str] = "levelling-judge"
    weights: str = "levelling"

    def load(self) -> Callable[[np.ndarray], np.ndarray]:
        return lambda images: np.tanh(5 * shades(images))


def shades(images: np.ndarray) -> np.ndarray:
    """(B, 20, 20, 3) uint8 -> (B, 5)."""
    stripes = images.reshape(len(images), len(ATTRIBUTES), -1).astype(np.float64)
    return (stripes.mean(axis=2) / 127.5 - 1).astype(np.float32)


def direction(*coefficients: float) -> np.ndarray:
    """(1, 32, 4, 4): raises attribute k by coefficients[k] of its standard deviations per unit of strength."""
    return (np.array(coefficients) * SPREAD @ W).reshape(1, *H_SHAPE).astype(np.float32)


@dataclass(frozen=True)
class PlantedFinder(Stage):
    """Directions of known effects: a row of coefficients (see `direction`) each; of attributes, or of nothing in particular."""

    rows: tuple[tuple[float, ...], ...]
    attributes: tuple[str, ...] = ()
    annotator: PlantedAnnotator = PlantedAnnotator()

    @property
    def fitted_with(self) -> tuple[PlantedAnnotator, ...]:
        return (self.annotator,) if self.attributes else ()

    @property
    def names(self) -> tuple[str, ...]:
        of = self.attributes or tuple(f"direction-{i}" for i in range(len(self.rows)))
        return tuple(f"{name}/planted" for name in of)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        attributes = self.attributes or (None,) * len(self.rows)
        rows = [
            {"name": name, "method": "planted", "n": 1, "attribute": attribute, "component": None if attribute else i}
            for i, (name, attribute) in enumerate(zip(self.names, attributes, strict=True))
        ]
        write_directions(out, self, {row["name"]: direction(*c) for row, c in zip(rows, self.rows, strict=True)}, rows)
