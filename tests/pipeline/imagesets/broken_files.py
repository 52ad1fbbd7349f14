"""Files that are called images and cannot be read, of fifteen sorts, each with the kind of its fault. Imported by name."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(height: int = 64, width: int = 64, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def _half(kind: str) -> bytes:
    whole = encoded(noise(), kind)
    return whole[: len(whole) // 2]


def _flipped() -> bytes:
    content = bytearray(encoded(noise(), "png"))
    content[200] ^= 8
    return bytes(content)


def _bomb() -> bytes:
    """A PNG that says to be 60,000 pixels a side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty.jpg": (b"", "empty"),
    "html.jpg": (b"<html>not found</html>", "no image"),
    "zeros.png": (bytes(5000), "no image"),
    "cut_jpeg.jpg": (_half("jpeg"), "truncated"),
    "cut_png.png": (_half("png"), "truncated"),
    "cut_gif.gif": (_half("gif"), "truncated"),
    "cut_tiff.tif": (_half("tiff"), "truncated"),
    "cut_bmp.bmp": (_half("bmp"), "truncated"),
    "cut_webp.webp": (_half("webp"), "damaged"),
    "flipped.png": (_flipped(), "damaged"),
    "tiny.png": (encoded(noise(7, 50), "png"), "tiny"),
    "bomb.png": (_bomb(), "huge"),
    "floats.tif": (
        encoded(Image.fromarray(np.random.default_rng(0).random((20, 20)).astype("f")), "tiff"),
        "not read here",
    ),
}
KINDS_OF = {**{name: kind for name, (_, kind) in BROKEN.items()}, "dangling.jpg": "unreadable"}


def write_broken(folder: Path) -> None:
    """Write one of each, and a link to nothing."""
    for name, (content, _) in BROKEN.items():
        (folder / name).write_bytes(content)
    (folder / "dangling.jpg").symlink_to(folder / "nowhere.jpg")
