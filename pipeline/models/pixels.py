"""Between images as people see them and as networks do."""

import torch
from torch import Tensor


def to_uint8(x_0: Tensor) -> Tensor:
    """Return images (B, H, W, 3) uint8 RGB of x_0 (B, 3, H, W) in [-1, 1]; what is beyond is clipped."""
    return ((x_0.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def from_uint8(images: Tensor) -> Tensor:
    """Return x_0 (B, 3, H, W) float32 in [-1, 1] of images (B, H, W, 3) uint8 RGB."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1
