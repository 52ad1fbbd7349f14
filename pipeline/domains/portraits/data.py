"""The training set of the bundled domain: portraits drawn from one seed, kept as uint8 in one safetensors file."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.batches import batches
from pipeline.domains.portraits.render import render, sample_factors

SIZE = 48  # pixels, the resolution of the bundled model
CHUNK = 32  # portraits drawn at once: small enough for the caches


def draw(n: int, seed: int, advance: Callable[[int], None] = lambda n: None) -> Tensor:
    """Draw the portraits of `sample_factors(n, seed)`: (n, 3, SIZE, SIZE), uint8."""
    factors = sample_factors(n, seed)
    images = torch.empty(n, 3, SIZE, SIZE, dtype=torch.uint8)
    for rows in batches(n, CHUNK):
        images[rows] = ((render(factors[rows], SIZE) + 1) * 127.5).round().to(torch.uint8)
        advance(len(images[rows]))
    return images


def load_or_draw(path: Path, n: int, seed: int, advance: Callable[[int], None] = lambda n: None) -> Tensor:
    """The same, from `path` where an earlier run left it."""
    if path.exists():
        images = load_file(path)["images"]
        if len(images) == n:
            return images
    images = draw(n, seed, advance=advance)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    save_file({"images": images}, beside)
    os.replace(beside, path)
    return images


def to_float(images: Tensor) -> Tensor:
    """uint8 in 0..255 -> float32 in [-1, 1], the range a U-Net of diffusers works in."""
    return images.float() / 127.5 - 1
