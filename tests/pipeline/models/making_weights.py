"""Weights of a model's folder, written again in other ways. Imported by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from pipeline.models.tensors import RENAMED

SAFE, PICKLE = "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"


def pickled(folder: Path, name: str = PICKLE, change: Callable[[dict], Any] = dict, **settings: Any) -> Path:
    """Replace the safetensors of a network's folder by a pickle, changed on the way; returns it."""
    held = change(load_file(folder / SAFE))
    (folder / SAFE).unlink()
    torch.save(held, folder / name, **settings)
    return folder / name


def rewritten(folder: Path, change: Callable[[dict], dict], name: str = SAFE) -> Path:
    """Write the safetensors of a network's folder again, changed; returns them."""
    save_file(change(load_file(folder / SAFE)), folder / name)
    return folder / name


def old_names(tensors: dict) -> dict:
    """The names of attention as diffusers wrote them until 2023."""
    for old, new in RENAMED.items():
        tensors = {key.replace(new, old): tensor for key, tensor in tensors.items()}
    return tensors


def prefixed(prefix: str) -> Callable[[dict], dict]:
    """All names behind a prefix."""
    return lambda tensors: {prefix + key: tensor for key, tensor in tensors.items()}
