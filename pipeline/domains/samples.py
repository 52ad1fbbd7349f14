"""Samples of a saved model by plain diffusers, as the cards of the bundled models are measured on."""

from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DModel
from torch import Tensor

from pipeline.hspace.noise import NoiseStreams


@torch.inference_mode()
def sample(
    model: Path,
    n: int,
    seed: int,
    steps: int,
    eta: float,
    batch: int = 32,
    advance: Callable[[int], None] = lambda n: None,
) -> Tensor:
    """Return n images (n, channels, height, width) uint8; every sample draws from a stream of its own."""
    unet = UNet2DModel.from_pretrained(model, subfolder="unet", torch_dtype=torch.float32).eval()
    scheduler = DDIMScheduler.from_pretrained(model, subfolder="scheduler")
    scheduler.set_timesteps(steps)
    shape = (unet.config["in_channels"], unet.config["sample_size"], unet.config["sample_size"])
    images = []
    for numbers in torch.arange(n).split(batch):
        streams = NoiseStreams(seed, numbers.tolist(), shape)
        x_t = streams.next()
        for t in scheduler.timesteps:
            x_t = scheduler.step(unet(x_t, t).sample, t, x_t, eta=eta, variance_noise=streams.next()).prev_sample
        images.append(((x_t.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8))
        advance(len(numbers))
    return torch.cat(images)
