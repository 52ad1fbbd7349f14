"""One image as it is stored, and as a model sees it: RGB, turned upright, transparency laid on white, 16 bits scaled to 8."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.errors import UserError

SMALLEST = 8  # pixels of a side

# What Pillow raises for an image that is none, damaged, or too large to be meant.
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Encoded:
    """An image as it is stored, not yet decoded."""

    name: str  # within its set
    where: str  # for people
    data: bytes  # of an image file, such as a PNG

    @property
    def digest(self) -> str:
        """The SHA-256 of name and contents, as 64 hexadecimal digits."""
        return hashlib.sha256(self.name.encode() + b"\0" + self.data).hexdigest()

    def check(self) -> None:
        """Raise UserError unless the header can be read and the image is large enough.

        What is missing further on shows when the image is decoded.
        """
        try:
            image = Image.open(io.BytesIO(self.data))
            if image.format == "PNG":
                image.verify()  # its checksums, which needs no decoding
        except _UNREADABLE as error:
            raise self._unreadable(error) from error
        if min(image.size) < SMALLEST:
            raise UserError(
                f"{self.where} is {image.width} x {image.height} pixels; expected at least {SMALLEST} a side. Remove it."
            )

    def fitted(self, height: int, width: int) -> np.ndarray:
        """Return the middle as large as it goes, resized: (height, width, 3) uint8 RGB.

        Raises UserError for an image that cannot be decoded.
        """
        return np.asarray(ImageOps.fit(self._decoded(), (width, height), Image.Resampling.LANCZOS))

    def _decoded(self) -> Image.Image:
        try:
            return _rgb(ImageOps.exif_transpose(Image.open(io.BytesIO(self.data))))
        except _UNREADABLE as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> UserError:
        said = "no image format that is known" if isinstance(error, UnidentifiedImageError) else error
        return UserError(f"{self.where} cannot be read as an image ({said}). Copy it again, or remove it.")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, which `convert` would clip to 255
        image = Image.fromarray((np.asarray(image, np.float64) / 257).round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
