"""From the bytes of an image file to RGB: upright, transparency laid on white, 16 bits scaled to 8, the first frame.

What cannot be read is told by kind. Metadata that cannot be read is no fault: the pixels are taken as they lie.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

SMALLEST = 8  # pixels of a side
MOST_PIXELS = 2**27  # of an image: 400 MB in RGB
_PNG = b"\x89PNG\r\n\x1a\n"
_FRAME = 12  # bytes of a chunk of PNG beside its data: length, name, checksum
_ORIENTATION = 0x0112  # a tag of EXIF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Decoded(NamedTuple):
    """An image in RGB, and what it was."""

    image: Image.Image
    format: str  # PNG, JPEG ...
    remarks: tuple[str, ...]  # grey, CMYK, 16 bits, transparent, turned, first frame, metadata damaged
    shrunk: float = 1.0  # pixels of the file for one of the image, where a JPEG was decoded smaller


class Fault(Exception):
    """Why bytes are no image that can be read."""

    def __init__(self, kind: str, reason: str):
        self.kind, self.reason = kind, reason
        super().__init__(f"{kind}: {reason}")


def decode(data: bytes, side: int | None = None) -> Decoded:
    """Decode an image file. side: a JPEG whose sides are all several times that many pixels may come smaller, which is faster.

    Raises Fault for what cannot be read.
    """
    try:
        mended = _without_damaged_metadata(data)
        image = _opened(mended)
        remarks = (*_remarks(image), *(("metadata damaged",) if mended is not data else ()))
        kind = str(image.format)
        longest = max(image.size)
        if side:
            image.draft("RGB", (side, side))
        image.load()
        turned, more = _turned(image)
        return Decoded(_rgb(turned), kind, tuple(dict.fromkeys((*remarks, *more))), longest / max(image.size))
    except Fault:
        raise
    except UnidentifiedImageError as error:
        raise Fault("no image", "no image format that is known") from error
    except Image.DecompressionBombError as error:
        raise Fault("huge", f"more than {MOST_PIXELS:,} pixels") from error
    except Exception as error:  # decoders raise whatever their arithmetic does of damaged files
        raise _fault(error) from error


def _opened(data: bytes) -> Image.Image:
    """The image with its header read. Raises Fault for one that is too small or too large."""
    if not data:
        raise Fault("empty", "the file has no bytes")
    image = Image.open(io.BytesIO(data))
    if image.format == "PNG":
        image.verify()  # its checksums, which decoding does not look at
        image = Image.open(io.BytesIO(data))
    if min(image.size) < SMALLEST:
        raise Fault("tiny", f"{image.width} x {image.height} pixels; expected at least {SMALLEST} a side")
    if image.width * image.height > MOST_PIXELS:
        raise Fault("huge", f"{image.width} x {image.height} pixels; expected at most {MOST_PIXELS:,}")
    return image


def _without_damaged_metadata(data: bytes) -> bytes:
    """A PNG without the chunks that no pixel depends on and whose checksums are wrong; anything else as it is."""
    if not data.startswith(_PNG):
        return data
    damaged = [place for place in _chunks(data) if _is_metadata(data, place) and not _intact(data, place)]
    if not damaged:
        return data
    borders = [0, *(border for place in damaged for border in (place.start, place.stop)), len(data)]
    return b"".join(data[start:stop] for start, stop in zip(borders[::2], borders[1::2], strict=True))


def _chunks(data: bytes) -> Iterator[range]:
    """Where the chunks of a PNG lie, as far as they are whole."""
    at = len(_PNG)
    while at + _FRAME <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if (end := at + _FRAME + length) > len(data):
            return
        yield range(at, end)
        at = end


def _is_metadata(data: bytes, place: range) -> bool:
    """Whether a chunk may be left out, as the lower case of its name's first letter says; transparency is of the pixels."""
    name = data[place.start + 4 : place.start + 8]
    return name.isalpha() and name[:1].islower() and name != b"tRNS"


def _intact(data: bytes, place: range) -> bool:
    (checksum,) = struct.unpack_from(">I", data, place.stop - 4)
    return zlib.crc32(data[place.start + 4 : place.stop - 4]) == checksum


def _fault(error: Exception) -> Fault:
    said = str(error) or type(error).__name__
    cut = isinstance(error, EOFError) or any(
        word in said.lower() for word in ("truncated", "unexpected end", "too short")
    )
    return Fault("truncated" if cut else "damaged", said)


def _remarks(image: Image.Image) -> tuple[str, ...]:
    """What an image has that is not plain RGB of one frame."""
    found = {
        "grey": image.mode in ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L"),
        "16 bits": image.mode.startswith("I"),
        "CMYK": image.mode == "CMYK",
        "transparent": image.has_transparency_data,
        "first of several frames": _several(image),
    }
    return tuple(name for name, true in found.items() if true)


def _several(image: Image.Image) -> bool:
    """Whether a file holds more than one picture to look at; the preview in a camera's JPEG (MPO) is none."""
    return image.format != "MPO" and bool(getattr(image, "is_animated", False))


def _turned(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # whatever is read from damaged metadata
        return image, ("metadata damaged",)
    return (image.transpose(turn), ("turned upright",)) if turn is not None else (image, ())


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, which `convert` would clip to 255
        image = Image.fromarray(_eight_bits(np.asarray(image, np.float64)))
    if image.mode == "F":
        raise Fault("not read here", "floating point pixels; expected 8 or 16 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    if values.min() < 0 or values.max() > 65535:
        raise Fault("not read here", "more than 16 bits a pixel; expected 8 or 16")
    return (values / 257).round().astype(np.uint8)
