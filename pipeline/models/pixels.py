"""Between images as people see them and as networks do. Images are RGB; a grey network has one channel, their luminance."""

import torch
from torch import Tensor

_LUMINANCE = torch.tensor([19595, 38470, 7471])  # of 65,536: ITU-R 601-2, as Pillow rounds it for mode "L"


def to_uint8(x_0: Tensor) -> Tensor:
    """Return images (B, H, W, 3) uint8 RGB of x_0 (B, 3 or 1, H, W) in [-1, 1]; what is beyond is clipped, grey is repeated."""
    images = ((x_0.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous()


def from_uint8(images: Tensor, channels: int = 3) -> Tensor:
    """Return x_0 (B, channels, H, W) float32 in [-1, 1] of images (B, H, W, 3) uint8 RGB: of one channel, their luminance."""
    seen = luminance(images)[..., None] if channels == 1 else images
    return seen.permute(0, 3, 1, 2).float() / 127.5 - 1


def luminance(images: Tensor) -> Tensor:
    """How light images (B, H, W, 3) uint8 RGB are, as Pillow's mode "L": (B, H, W) uint8."""
    weighed = (images.int() * _LUMINANCE.to(images.device, torch.int32)).sum(-1) + 0x8000
    return (weighed >> 16).to(torch.uint8)
