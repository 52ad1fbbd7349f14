"""Regions in files of other programs: the planted region comes back by the rule that fits, or the file is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.annotators.mask_files import mask_file, read
from pipeline.annotators.registry import mask
from pipeline.errors import UserError
from pipeline.fingerprint import fingerprint, settings
from pipeline.recipes.settings import placed
from schemas.run import Run

INSIDE = np.zeros((24, 32), bool)
INSIDE[4:16, 8:20] = True
VOID = np.zeros_like(INSIDE)
VOID[3:17, 7:21] = True
VOID &= ~INSIDE
CLASSES = np.where(INSIDE, 15, 0).astype(np.uint8) + np.roll(INSIDE, 12, axis=1) * np.uint8(3)
NOISE = np.random.default_rng(0).integers(0, 256, (*INSIDE.shape, 3), np.uint8)


def of(array: np.ndarray, mode: str | None = None) -> Image.Image:
    return Image.fromarray(array) if mode is None else Image.fromarray(array).convert(mode)


def with_palette(indices: np.ndarray, *colours: tuple[int, int, int]) -> Image.Image:
    image = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    image.putpalette([number for colour in colours for number in colour])
    return image


def alpha(colours: np.ndarray, opaque: np.ndarray) -> Image.Image:
    return of(np.dstack([np.broadcast_to(colours, (*INSIDE.shape, 3)), opaque]).astype(np.uint8))


READ = {
    "0 and 255": of(INSIDE * np.uint8(255)),
    "0 and 1": of(INSIDE.astype(np.uint8)),
    "one bit": of(INSIDE),
    "0 and 1 of 16 bits": of(INSIDE.astype(np.uint16)),
    "0 and 255 of 16 bits": of(INSIDE * np.uint16(255)),
    "0 and 65535": of(INSIDE * np.uint16(65535)),
    "black and white as colours": of(INSIDE * np.uint8(255), "RGB"),
    "two colours of a palette": with_palette(INSIDE.astype(np.uint8), (0, 0, 0), (255, 255, 255)),
    "and in the other order": with_palette((~INSIDE).astype(np.uint8), (255, 255, 255), (0, 0, 0)),
    "a cut-out": alpha(NOISE, INSIDE * 255),
    "white on transparency": alpha(np.full(3, 255), INSIDE * 255),
    "black on transparency": alpha(np.zeros(3), INSIDE * 255),
    "grey with alpha": of(np.dstack([np.full_like(INSIDE, 99, np.uint8), INSIDE * np.uint8(255)])),
    "black and white, and opaque": of(INSIDE * np.uint8(255), "RGBA"),
}


@pytest.mark.parametrize("what", READ)
def test_what_other_programs_write_is_the_region_that_they_meant(what, tmp_path):
    READ[what].save(tmp_path / "mask.png")
    assert np.array_equal(read(tmp_path / "mask.png"), INSIDE)
    for spec in (str(tmp_path / "mask.png"), f"mask:{tmp_path / 'mask.png'}"):
        found = mask(spec)
        found.check(24, 32)
        masks = found.load()(np.zeros((2, 24, 32, 3), np.uint8))
        assert found.name == "mask" and np.array_equal(masks, np.stack([INSIDE, INSIDE]))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (of(np.tile(np.arange(0, 256, dtype=np.uint8), (8, 1))), np.tile(np.arange(256) / 255, (8, 1))),
        (of(np.tile(np.arange(0, 65536, 257, dtype=np.uint16), (8, 1))), np.tile(np.arange(256) / 255, (8, 1))),
        (of(np.where(INSIDE, 1.0, 0.25).astype(np.float32)), np.where(INSIDE, 1.0, 0.25)),
        (alpha(NOISE, np.where(INSIDE, 255, 51)), np.where(INSIDE, 1.0, 0.2)),
    ],
)
def test_grey_is_between_outside_and_inside(image, expected, tmp_path):
    image.save(tmp_path / "mask.tiff")
    np.testing.assert_allclose(read(tmp_path / "mask.tiff"), expected, atol=1e-6)


def test_a_jpeg_of_black_and_white_is_nearly_so(tmp_path):
    of(INSIDE * np.uint8(255), "RGB").save(tmp_path / "mask.jpg", quality=90)
    np.testing.assert_allclose(read(tmp_path / "mask.jpg"), INSIDE, atol=0.15)


MAPS = {
    "grey": of(CLASSES),
    "16 bits": of(CLASSES.astype(np.uint16)),
    "a palette": with_palette(CLASSES, *[(i, 255 - i, 7) for i in range(16)]),
    "a palette that is called by greys": with_palette(CLASSES, *[(i, i, i) for i in range(16)]),
}


@pytest.mark.parametrize("what", MAPS)
def test_a_label_map_is_the_classes_that_are_named(what, tmp_path):
    path = tmp_path / "parsing.png"
    MAPS[what].save(path)
    assert np.array_equal(read(path, (15,)), CLASSES == 15)
    some = mask(f"mask:{path}+labels=15,3")
    assert some.name == "parsing-3-15" and mask(f"mask:{path}+label=3+name=left").name == "left"
    assert np.array_equal(some.load()(np.zeros((1, 24, 32, 3), np.uint8))[0], CLASSES > 0)
    with pytest.raises(
        UserError, match=r"parsing.png is no mask of black and white but holds 0 \(6.*%\), 3 \(1.*%\), 15 \(1"
    ):
        mask_file(path)
    with pytest.raises(UserError, match="has no label 4, 7; it has 0 "):
        mask_file(path, labels="3,4,7")
    with pytest.raises(UserError, match="expected some, by commas, as in"):
        mask_file(path, labels="3;4")


def test_classes_with_a_void_of_255_are_no_grey(tmp_path):
    """As Pascal VOC's and Cityscapes' are."""
    of(np.where(VOID, 255, CLASSES).astype(np.uint8)).save(tmp_path / "voc.png")
    with pytest.raises(UserError, match="Say which of them are inside, as in mask:voc.png"):
        read(tmp_path / "voc.png")


REFUSED = {
    "is black": of(np.zeros_like(NOISE[..., 0])),
    "marks the whole image": of(np.full_like(NOISE[..., 0], 255)),
    "marks the whole image.": of(np.full_like(NOISE[..., 0], 255), "RGBA"),
    "has colours": of(NOISE),
    "has colours, and": alpha(NOISE, np.full(INSIDE.shape, 255)),
    "is transparent everywhere": alpha(NOISE, np.zeros(INSIDE.shape)),
    "either could be the region": alpha(np.repeat(INSIDE[..., None] * 255, 3, axis=2), np.where(VOID, 0, 255)),
    "label=128": of(INSIDE * np.uint8(128)),
    "values below 0": of(np.where(INSIDE, 1, -1).astype(np.float32)),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_could_mean_two_things_or_nothing_is_refused(said, tmp_path):
    REFUSED[said].save(tmp_path / "mask.tiff")
    with pytest.raises(UserError, match=said) as refused:
        mask(f"mask:{tmp_path / 'mask.tiff'}")
    assert "mask.tiff" in str(refused.value)


@pytest.mark.parametrize("text", ["mask:", "mask:+label=1"])
def test_a_mask_of_no_file_is_refused(text):
    with pytest.raises(UserError, match="does not say what it is made of: expected mask:FILE"):
        mask(text)


def test_several_images_in_one_file_are_refused(tmp_path):
    first, second = (READ[what].copy() for what in ("0 and 255", "one bit"))
    first.save(tmp_path / "mask.gif", save_all=True, append_images=[Image.new("L", first.size), second])
    with pytest.raises(UserError, match="holds [23] images; expected one"):
        mask_file(tmp_path / "mask.gif")
    with pytest.raises(UserError, match="There is no file .*gone.png"):
        mask(f"mask:{tmp_path / 'gone.png'}")


def test_what_is_inside_tells_regions_of_one_file_apart(tmp_path):
    MAPS["grey"].save(tmp_path / "parsing.png")
    one, other = (mask_file(tmp_path / "parsing.png", label, name="part") for label in (3, 15))
    assert fingerprint(settings(one)) != fingerprint(settings(other))
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "parsing.png").rename(tmp_path / "elsewhere" / "parsing.png")
    assert fingerprint(settings(mask_file(moved, 3, name="part"))) == fingerprint(settings(one))


def test_a_run_has_the_whole_path_of_a_mask(tmp_path, monkeypatch):
    MAPS["grey"].save(tmp_path / "parsing.png")
    monkeypatch.chdir(tmp_path)
    run = placed(
        Run(
            region=("mask:parsing.png+labels=3,15", "parsing.png", "image", "box:1,2,3,4"),
            foreground="mask:parsing.png",
        )
    )
    assert run.region == (f"mask:{tmp_path}/parsing.png+labels=3,15", f"{tmp_path}/parsing.png", "image", "box:1,2,3,4")
    assert run.foreground == f"mask:{Path(tmp_path)}/parsing.png"
