"""What a U-Net is given beside x_t and the timestep: an embedding, a class."""

from typing import Any

import torch
from torch import Tensor, nn


def is_conditional(unet: nn.Module) -> bool:
    """Whether the U-Net reads a condition by cross-attention, as diffusers' UNet2DConditionModel does."""
    return "cross_attention_dim" in unet.config  # type: ignore[operator]


def n_classes(unet: nn.Module) -> int | None:
    """How many classes the U-Net knows; None for one that is told no class."""
    return unet.config.get("num_class_embeds")  # type: ignore[operator, union-attr]


def empty_condition(unet: nn.Module) -> Tensor:
    """One token of zeros, (1, 1, D): what a conditional U-Net is given where it is given nothing."""
    config: Any = unet.config
    width = config.get("encoder_hid_dim") or config["cross_attention_dim"]
    return torch.zeros(1, 1, width if isinstance(width, int) else width[-1])
