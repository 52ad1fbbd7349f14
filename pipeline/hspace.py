"""h-space: read and edit the output of a U-Net's mid block, by hooks on the unmodified model.

Shapes: B batch, C H W bottleneck.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import UserError


@dataclass
class Bottleneck:
    """What the hook sees: the h of the last pass, and the offset that is added to h in the next one."""

    h: Tensor | None = None  # (B, C, H, W), before the offset
    delta_h: Tensor | None = None  # (B, C, H, W) or anything that broadcasts to it


@contextmanager
def bottleneck(unet: nn.Module) -> Iterator[Bottleneck]:
    """Open the h-space of a U-Net: inside the block every pass leaves its h, and adds `delta_h` where one is set.

    The hook is removed when the block ends, whatever happened in it. Raises UserError for a model without a mid block.
    """
    opened = Bottleneck()

    def hook(module: nn.Module, inputs: tuple, h: Tensor) -> Tensor | None:
        opened.h = h
        if opened.delta_h is None:
            return None
        _check_offset(opened.delta_h, h)
        return h + opened.delta_h.to(h)

    handle = _mid_block(unet).register_forward_hook(hook)
    try:
        yield opened
    finally:
        handle.remove()


def h_shape(unet: nn.Module) -> tuple[int, int, int]:
    """The shape (C, H, W) of h, by one pass of a copy without weights."""
    _mid_block(unet)
    config: Any = unet.config
    size = config["sample_size"]
    height, width = (size, size) if isinstance(size, int) else size
    with torch.device("meta"), torch.inference_mode():
        copy = type(unet).from_config(config)  # type: ignore[attr-defined]
        with bottleneck(copy) as opened:
            copy(torch.zeros(1, config["in_channels"], height, width), torch.zeros(1))
    assert opened.h is not None
    C, H, W = opened.h.shape[1:]
    return C, H, W


def _mid_block(unet: nn.Module) -> nn.Module:
    mid_block = getattr(unet, "mid_block", None)
    if mid_block is None:
        raise UserError(
            f"{type(unet).__name__} has no mid block, so it has no h-space.\nUse a U-Net, such as diffusers' UNet2DModel."
        )
    return mid_block


def _check_offset(delta_h: Tensor, h: Tensor) -> None:
    if delta_h.shape[-3:] != h.shape[1:]:
        raise UserError(
            f"A direction of shape {tuple(delta_h.shape[-3:])} cannot be added to h of shape {tuple(h.shape[1:])} (C, H, W).\n"
            "It was made with another model: use the model that the catalog names."
        )
