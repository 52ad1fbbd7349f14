"""The way between images and the latents of a latent diffusion model: diffusers' `VQModel` or `AutoencoderKL`.

Shapes: B batch; latents (B, channels, height, width); images (B, 3, H, W) in [-1, 1], `enlargement` times larger.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, VQModel
from torch import Tensor

KINDS = (VQModel, AutoencoderKL)

_AT_ONCE = 8  # images in one pass: a decoder's maps are hundreds of times larger than its latents


@dataclass(frozen=True)
class Autoencoder:
    """A `VQModel` or an `AutoencoderKL`, and the scaling that the U-Net was trained with."""

    network: Any

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
        return encoded.latents if isinstance(self.network, VQModel) else encoded.latent_dist.mode()

    def _scaling(self) -> tuple[float | Tensor, float | Tensor]:
        """x_0 = (latents - shift) * scale, as in diffusers' pipelines: one number, or one a channel (latents_mean, _std)."""
        config = self.network.config
        scale, shift = config.scaling_factor, config.get("shift_factor") or 0.0
        if config.get("latents_mean") is None or config.get("latents_std") is None:
            return scale, shift
        mean, std = (self._by_channel(config[key]) for key in ("latents_mean", "latents_std"))
        return scale / std, mean

    def _by_channel(self, values: list[float]) -> Tensor:
        """One number a channel, (1, channels, 1, 1)."""
        return torch.tensor(values, device=self.network.device).view(1, -1, 1, 1)


def latent_channels(network: Any) -> int:
    """How many channels the decoder takes."""
    return network.config.get("vq_embed_dim") or network.config.latent_channels


def enlargement(config: dict[str, Any]) -> int:
    """How many times higher and wider than its latents an image is: every block but the last halves it."""
    return 2 ** (len(config["block_out_channels"]) - 1)


def _in_turn(function: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    return torch.cat([function(some) for some in batch.split(_AT_ONCE)])
