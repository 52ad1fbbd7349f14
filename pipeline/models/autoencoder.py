"""The way between images and the latents of a latent diffusion model: diffusers' `VQModel` or `AutoencoderKL`.

Shapes: B batch; latents (B, channels, height, width); images (B, 3 or 1, H, W) in [-1, 1], `enlargement` times larger.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.models.values import Config, number, numbers

KINDS = ("VQModel", "AutoencoderKL")

_AT_ONCE = 8  # images in one pass: a decoder's maps are hundreds of times larger than its latents


# What a configuration that names no `scaling_factor` was trained with. A VQModel's dates from before diffusers had the field,
# and its U-Net works on plain latents (CompVis/ldm-celebahq-256); an AutoencoderKL's is Stable Diffusion 1.x's.
_UNNAMED = {"VQModel": 1.0, "AutoencoderKL": 0.18215}

Numbers = float | tuple[float, ...]  # one, or one a channel


@dataclass(frozen=True)
class Scaling:
    """x_0 = (latents - shift) * scale, as in diffusers' pipelines, each one number, or one a channel (latents_mean, _std)."""

    scale: Numbers
    shift: Numbers = 0.0

    @classmethod
    def of(cls, config: Config) -> "Scaling":
        """The scaling that a configuration, as `scaled` leaves it, says."""
        scale, shift = config["scaling_factor"], config.get("shift_factor") or 0.0
        if config.get("latents_mean") is None or config.get("latents_std") is None:
            return cls(scale, shift)
        return cls(tuple(scale / std for std in config["latents_std"]), tuple(config["latents_mean"]))


@dataclass(frozen=True)
class Autoencoder:
    """A `VQModel` or an `AutoencoderKL`, and the scaling that the U-Net was trained with."""

    network: Any
    scaling: Scaling

    def decode(self, x_0: Tensor) -> Tensor:
        """x_0 (B, channels, height, width) -> images. A `VQModel` quantises on the way."""
        scale, shift = self._scaling()
        return _in_turn(lambda z: self.network.decode(z).sample, x_0 / scale + shift)

    def encode(self, images: Tensor) -> Tensor:
        """Return x_0 of images: what a `VQModel` has before it quantises, or the mode of an `AutoencoderKL`'s distribution."""
        scale, shift = self._scaling()
        return (_in_turn(self._latents, images) - shift) * scale

    def _latents(self, images: Tensor) -> Tensor:
        encoded = self.network.encode(images)
        return encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()

    def _scaling(self) -> tuple[float | Tensor, float | Tensor]:
        return self._by_channel(self.scaling.scale), self._by_channel(self.scaling.shift)

    def _by_channel(self, values: Numbers) -> float | Tensor:
        """One number, or one a channel, (1, channels, 1, 1)."""
        if isinstance(values, int | float):
            return values
        return torch.tensor(values, device=self.network.device).view(1, -1, 1, 1)


def scaled(config: Config, path: Path) -> Config:
    """What a configuration says of its latents' scale, and what it was trained with where it says nothing.

    So it is not a release of diffusers that decides. Raises UserError for what is no scale.
    """
    for key in ("scaling_factor", "shift_factor"):
        number(config, key, path, -1e6 if key == "shift_factor" else 1e-6, 1e6)
    for key in ("latents_mean", "latents_std"):
        numbers(config, key, path, config.get("latent_channels", 4))
    named = config.get("scaling_factor")
    return {"scaling_factor": _UNNAMED[config["_class_name"]] if named is None else named}


def latent_channels(network: Any) -> int:
    """How many channels the decoder takes."""
    return network.config.get("vq_embed_dim") or network.config.latent_channels


def enlargement(config: dict[str, Any]) -> int:
    """How many times higher and wider than its latents an image is: every block but the last halves it."""
    return 2 ** (len(config["block_out_channels"]) - 1)


def _in_turn(function: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    return torch.cat([function(some) for some in batch.split(_AT_ONCE)])
