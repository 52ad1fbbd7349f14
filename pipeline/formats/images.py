"""Images as PNG, the cells of a table that hold them, and how files of images are called."""

import io

import numpy as np
import pyarrow as pa
from PIL import Image

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm",
)  # fmt: skip


def png(image: np.ndarray) -> bytes:
    """Return an image (H, W, 3) uint8 as the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    return buffer.getvalue()


def thumbnail(image: np.ndarray, largest: int = 128) -> bytes:
    """Return a JPEG of an image (H, W, 3) uint8, at most so many pixels a side, with its colours at full resolution."""
    small = Image.fromarray(image)
    small.thumbnail((largest, largest), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "jpeg", quality=90, subsampling=0, optimize=True)
    return buffer.getvalue()


def decode(table: pa.Table) -> np.ndarray:
    """The images of a table of samples: (B, H, W, 3) uint8."""
    cells = table["image"].to_pylist()
    return np.stack([np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB")) for cell in cells])
