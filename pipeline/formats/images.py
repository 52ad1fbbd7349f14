"""Images as PNG, and the cells of a table that hold them."""

import io

import numpy as np
import pyarrow as pa
from PIL import Image


def png(image: np.ndarray) -> bytes:
    """Return an image (H, W, 3) uint8 as the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    return buffer.getvalue()


def decode(table: pa.Table) -> np.ndarray:
    """The images of a table of samples: (B, H, W, 3) uint8."""
    cells = table["image"].to_pylist()
    return np.stack([np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB")) for cell in cells])
