"""From bytes to RGB: what is told of an image, what cannot be read, and pixels that damaged metadata costs nothing."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.imagesets.decoding import Fault, decode
from pipeline.imagesets.encoded import Encoded
from tests.pipeline.imagesets.broken_files import BROKEN, encoded, noise


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_told_by_kind(name):
    content, kind = BROKEN[name]
    with pytest.raises(Fault) as caught:
        decode(content)
    assert caught.value.kind == kind and caught.value.reason


@pytest.mark.parametrize("side", [None, 64])
def test_a_truncated_jpeg_is_recognised_at_any_size(side):
    whole = encoded(noise(512, 512), "jpeg")
    assert decode(whole, side).image.size == ((512, 512) if side is None else (64, 64))
    with pytest.raises(Fault, match="truncated"):
        decode(whole[: len(whole) * 2 // 3], side)


@pytest.mark.parametrize(
    ("image", "kind", "remarks"),
    [
        (noise(), "jpeg", ()),
        (noise().convert("L"), "jpeg", ("grey",)),
        (noise().convert("CMYK"), "jpeg", ("CMYK",)),
        (noise().convert("RGBA"), "png", ("transparent",)),
        (Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257), "png", ("grey", "16 bits")),
    ],
)
def test_what_an_image_was_is_told(image, kind, remarks):
    found = decode(encoded(image, kind))
    assert (found.format, found.remarks, found.image.mode) == (kind.upper(), remarks, "RGB")


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff"])
def test_of_several_frames_the_first_is_taken(kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    found = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert "first of several frames" in found.remarks
    assert np.abs(np.asarray(found.image).astype(int) - (255, 0, 0)).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_viewers_turn_them(orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(noise(24, 40), "png", exif=exif)
    import io

    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert (np.asarray(decode(content).image) == np.asarray(expected)).all()


DAMAGED = [
    b"Exif\0\0" + bytes(40),
    b"Exif\0\0II*\0\xff\xff\xff\xff",
    b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12" * 30,
]


@pytest.mark.parametrize("exif", DAMAGED)
def test_damaged_metadata_costs_no_pixels(exif):
    plain, damaged = encoded(noise(), "jpeg"), encoded(noise(), "jpeg", exif=exif)
    assert plain != damaged
    assert (np.asarray(decode(damaged).image) == np.asarray(decode(plain).image)).all()


def test_metadata_that_cannot_be_read_is_told(monkeypatch):
    def fail(image):
        raise ZeroDivisionError("a rational number of EXIF")

    content = encoded(noise(), "jpeg")
    monkeypatch.setattr(Image.Image, "getexif", fail)
    assert decode(content).remarks == ("metadata damaged",)


def test_more_than_sixteen_bits_are_refused_and_not_clipped():
    content = encoded(Image.fromarray(np.full((16, 16), 70_000, np.int32)), "tiff")
    with pytest.raises(Fault, match="more than 16 bits a pixel"):
        decode(content)


@pytest.mark.parametrize(
    ("kind", "size", "scale"),
    [("JPEG", (2000, 1500), 1500 / 64), ("PNG", (300, 600), 300 / 128), ("PNG", (32, 64), 0.25)],
)
def test_how_many_pixels_of_the_file_one_that_is_seen_is(kind, size, scale):
    """Also where a JPEG is decoded several times smaller than it is stored, or is turned."""
    for turned in (1, 6) if kind == "JPEG" else (1,):
        exif, held = Image.Exif(), io.BytesIO()
        exif[0x0112] = turned
        Image.new("RGB", size).save(held, kind, exif=exif)
        seen = Encoded("a", "a", held.getvalue()).seen(64, 128 if kind == "PNG" else 64)
        assert seen.scale == pytest.approx(scale, rel=0.01)


def chunk(name: bytes, data: bytes, damage: int = 0) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ damage)


PLAIN_PNG = encoded(noise(), "png")
BEFORE, AFTER = PLAIN_PNG.index(b"IDAT") - 4, PLAIN_PNG.index(b"IEND") - 4  # where a chunk may stand


@pytest.mark.parametrize("name", [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP", b"pHYs", b"prVt"])
@pytest.mark.parametrize("at", [BEFORE, AFTER], ids=["before", "after"])
def test_a_damaged_chunk_of_metadata_costs_a_png_no_pixels(name, at):
    damaged = PLAIN_PNG[:at] + chunk(name, b"Comment\0taken at home", damage=1) + PLAIN_PNG[at:]
    found = decode(damaged)
    assert found.remarks == ("metadata damaged",)
    assert (np.asarray(found.image) == np.asarray(noise())).all()


def test_metadata_that_is_whole_stays():
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = encoded(noise(), "png", exif=exif)
    at = turned.index(b"IDAT") - 4
    found = decode(turned[:at] + chunk(b"tEXt", b"a\0b", damage=1) + turned[at:])
    assert found.remarks == ("metadata damaged", "turned upright")
    assert (np.asarray(found.image) == np.asarray(noise())[::-1, ::-1]).all()


@pytest.mark.parametrize("name", [b"IDAT", b"tRNS"])
def test_a_png_whose_pixels_or_transparency_are_damaged_is_broken_whatever_its_metadata(name):
    image = noise().quantize(16) if name == b"tRNS" else noise()
    content = bytearray(encoded(image, "png", **({"transparency": bytes(range(16))} if name == b"tRNS" else {})))
    content[content.index(name) + 6] ^= 8
    at = content.index(b"IDAT") - 4
    with pytest.raises(Fault):
        decode(bytes(content))
    with pytest.raises(Fault):
        decode(bytes(content[:at]) + chunk(b"tEXt", b"a\0b", damage=1) + bytes(content[at:]))


@pytest.mark.parametrize(("long", "short", "seen"), [(1300, 1000, 1000), (1400, 1024, 512), (5000, 2048, 512)])
def test_a_jpeg_is_decoded_at_the_smallest_fraction_whose_sides_are_enough(long, short, seen):
    content = encoded(Image.new("RGB", (long, short)), "jpeg")
    assert min(decode(content, 512).image.size) == seen
