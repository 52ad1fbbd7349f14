"""One image as it is stored, and as a network sees it: the middle, as large as it goes, at the network's size."""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from pipeline.imagesets.broken import Broken, Unreadable
from pipeline.imagesets.decoding import Decoded, Fault, decode

_ENOUGH = 64  # pixels of a side, to see whether an image can be decoded
FINER = 2  # times the wanted size, at least, that a JPEG is decoded at: what remains is resampled as ever


class Fitted(NamedTuple):
    """An image as a network sees it, and what it was."""

    pixels: np.ndarray  # (height, width, 3) uint8 RGB
    format: str
    remarks: tuple[str, ...]
    scale: float = 1.0  # pixels of the image as it is stored for one of these


@dataclass(frozen=True)
class Encoded:
    """An image as it is stored, not yet decoded."""

    name: str  # within its set
    where: str  # for people
    data: bytes  # of an image file, such as a PNG
    fault: tuple[str, str] | None = None  # why there are no bytes, kind and reason

    @property
    def digest(self) -> str:
        """The SHA-256 of name and contents, as 64 hexadecimal digits."""
        return hashlib.sha256(self.name.encode() + b"\0" + self.data).hexdigest()

    def check(self) -> None:
        """Raise Unreadable, a UserError, unless all of the image can be decoded and it is neither tiny nor huge."""
        self._decoded(_ENOUGH)

    def broken(self) -> Broken | None:
        """Why the image cannot be read, or None."""
        try:
            self.check()
        except Unreadable as error:
            return Broken(self.name, error.kind, error.reason)
        return None

    def fitted(self, height: int, width: int) -> np.ndarray:
        """Return the middle as large as it goes, resized: (height, width, 3) uint8 RGB. Raises Unreadable where it cannot."""
        return _middle(self._decoded().image, height, width)

    def seen(self, height: int, width: int) -> Fitted | Broken:
        """The same for large numbers of images: large JPEGs are decoded at a fraction of their size, and what is broken is told."""
        try:
            found = self._decoded(FINER * max(height, width))
        except Unreadable as error:
            return Broken(self.name, error.kind, error.reason)
        image = found.image
        scale = found.shrunk * min(image.height / height, image.width / width)
        return Fitted(_middle(image, height, width), found.format, found.remarks, scale)

    def _decoded(self, side: int | None = None) -> Decoded:
        try:
            if self.fault:
                raise Fault(*self.fault)
            return decode(self.data, side)
        except Fault as error:
            raise Unreadable(self.where, error.kind, error.reason) from error


def _middle(image: Image.Image, height: int, width: int) -> np.ndarray:
    return np.asarray(ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS))
