"""From images to what a network reads: size, order of channels, range. Every network that a JSON describes is fed by this.

Images are resized as bytes, on the CPU, as Pillow does it (to a level in a pixel of a hundred): so what a network reads does not
depend on where it runs, and is what those who trained it on Pillow's images measured it with.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import BeforeValidator, ConfigDict
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import center_crop
from torchvision.transforms.v2.functional import resize as resized

from pipeline.annotators.base import check_images
from pipeline.errors import UserError

Size = tuple[int, int]  # height and width, in pixels


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, int | float) else value


Numbers = Annotated[tuple[float, ...], BeforeValidator(_several)]  # in JSON, one may stand alone


@dataclass(frozen=True)
class Preprocessing:
    """How images are made what a network reads.

    size: height and width that it reads, or one number for both; None takes images as they come
    resize: "crop" brings the shorter side to the size and cuts out the middle, so that shapes stay as they are; "squash" brings
        both sides to it, whatever the shape was
    resize_to: what the shorter side (of "crop") or both sides (of "squash") are brought to, where more than `size` is cut from
    antialias: averages over the pixels that fall together; OpenCV's bilinear resizing does not
    range: what 0 and 255 become, before `mean` is taken off and the rest divided by `std`
    mean, std: a number for all channels or one for each, in the order in which the network reads them
    """

    size: int | Size | None = None
    resize: Literal["crop", "squash"] | None = None
    resize_to: int | None = None
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    antialias: bool = True
    channels: Literal["RGB", "BGR", "grey"] = "RGB"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    range: tuple[float, float] = (0.0, 1.0)
    mean: Numbers = (0.0,)
    std: Numbers = (1.0,)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    LUMA: ClassVar[tuple[float, ...]] = (0.299, 0.587, 0.114)  # of red, green and blue, as Pillow makes grey of them

    def check(self, where: object) -> None:
        """Raise UserError, which names `where` it stands, for settings that do not fit one another."""
        if self.size is not None and self.resize is None:
            raise UserError(
                f'{where}: the preprocessing has a size and does not say how images come to it; expected "resize": "crop", which\n'
                'keeps the shape of what is shown and cuts off what sticks out, or "squash", which keeps all of it.'
            )
        if self.size is not None and min(self.wanted) < 1:
            raise UserError(f"{where}: the preprocessing has the size {self.size}; expected pixels, 1 or more.")
        if self.size is not None and self.resize_to is not None and self.resize_to < max(self.wanted):
            raise UserError(
                f"{where}: `resize_to` is {self.resize_to}, and {self.wanted[0]} x {self.wanted[1]} pixels are cut from that."
            )
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            if len(numbers) not in (1, self.planes):
                raise UserError(
                    f"{where}: `{name}` has {len(numbers)} numbers; expected 1, or {self.planes}: one for each channel."
                )
        if 0 in self.std:
            raise UserError(f"{where}: `std` holds 0, by which nothing can be divided.")

    @property
    def wanted(self) -> Size:
        """The height and width that a network reads; only where there is a size."""
        assert self.size is not None
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    @property
    def planes(self) -> int:
        """How many channels a network reads."""
        return 1 if self.channels == "grey" else 3

    @property
    def says(self) -> str:
        """What happens to images, in a sentence."""
        if self.size is None:
            return "Images are read in their own size."
        height, width = self.wanted
        how = f"{self.interpolation}, {'' if self.antialias else 'not '}antialiased"
        if self.resize == "squash":
            return f"Images are squashed to {height} x {width} pixels ({how})."
        return f"The middle of images is read at {height} x {width} pixels, their shape kept ({how})."

    def __call__(self, images: np.ndarray) -> Tensor:
        """Images (B, H, W, 3) uint8 RGB -> float32 as the network reads them, in `layout`."""
        check_images(images)
        pixels = self.sized(torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)).contiguous()
        low, high = self.range
        mean, std = (torch.tensor(each, dtype=torch.float64).view(-1, 1, 1) for each in (self.mean, self.std))
        numbers = self._ordered(pixels).mul_(((high - low) / 255 / std).float()).add_(((low - mean) / std).float())
        return (numbers.permute(0, 2, 3, 1) if self.layout == "NHWC" else numbers).contiguous()

    def sized(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) uint8 in the size that the network reads."""
        if self.size is None or (images.shape[-2:] == self.wanted and self.resize_to is None):
            return images
        images = resized(
            images,
            self._brought_to(*images.shape[-2:]),
            InterpolationMode(self.interpolation),
            antialias=self.antialias,
        )
        return center_crop(images, list(self.wanted))

    def _brought_to(self, height: int, width: int) -> list[int]:
        """Height and width before the middle is cut out."""
        aim = self.wanted if self.resize_to is None else (self.resize_to, self.resize_to)
        if self.resize == "squash":
            return list(aim)
        scale = max(aim[0] / height, aim[1] / width)
        return [max(aim[0], math.floor(height * scale + 1e-6)), max(aim[1], math.floor(width * scale + 1e-6))]

    def _ordered(self, pixels: Tensor) -> Tensor:
        """The channels that the network reads, in their order, as numbers 0 .. 255."""
        if self.channels == "grey":
            return (pixels * torch.tensor(self.LUMA).view(3, 1, 1)).sum(1, keepdim=True).round()
        return (pixels.flip(1) if self.channels == "BGR" else pixels).float()
