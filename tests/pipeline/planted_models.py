"""Untrained models of diffusers that are made in a moment, in folders as `save_pretrained` writes them. Imported by name."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel, UNet2DModel, VQModel

SMALL = {"block_out_channels": (8, 16), "norm_num_groups": 4}
CODER_BLOCKS = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}


def unet(**settings) -> UNet2DModel:
    """Two blocks a side, with attention in the second."""
    blocks = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    return seeded(UNet2DModel, layers_per_block=1, **{**SMALL, **blocks, **settings})


def conditional_unet(**settings) -> UNet2DConditionModel:
    """The same, with cross-attention to a condition of width `cross_attention_dim`."""
    blocks = {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    }
    settings = {"in_channels": 3, "out_channels": 3, **blocks, **settings}
    return seeded(UNet2DConditionModel, layers_per_block=1, **SMALL, **settings)


def vq_model(**settings) -> VQModel:
    """An autoencoder with a codebook, of latents half as large as the images."""
    network = seeded(VQModel, **{**SMALL, **CODER_BLOCKS, "num_vq_embeddings": 64, "scaling_factor": 0.5, **settings})
    torch.nn.init.normal_(network.quantize.embedding.weight, generator=torch.Generator().manual_seed(0))
    return network


def kl_model(**settings) -> AutoencoderKL:
    """A variational autoencoder, of latents half as large as the images."""
    settings = {"latent_channels": 4, "scaling_factor": 0.3, **settings}
    return seeded(AutoencoderKL, **SMALL, **CODER_BLOCKS, **settings)


def seeded(kind: type, **settings):
    """An untrained network, the same at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind(**settings)


def save(folder: Path, scheduler: DDIMScheduler | DDPMScheduler | None = None, **networks: torch.nn.Module) -> Path:
    """Write networks by the names of their folders (unet, vae, vqvae), and a scheduler."""
    for name, network in networks.items():
        network.save_pretrained(folder / name)
    (scheduler or DDIMScheduler()).save_pretrained(folder / "scheduler")
    return folder


def save_latent(folder: Path, kind: str, size: int | list[int] = 8, **settings) -> Path:
    """A latent model: `kind` is "vqvae", with latents of 3 channels, or "vae", with 4; `size` is theirs."""
    channels, network = (3, vq_model) if kind == "vqvae" else (4, kl_model)
    of_latents = unet(sample_size=size, in_channels=channels, out_channels=channels)
    return save(folder, DDIMScheduler(clip_sample=False), unet=of_latents, **{kind: network(**settings)})
