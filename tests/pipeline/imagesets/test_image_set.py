"""Sets of real images: what is found, in which order, what identifies them, and what is refused and how."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.imagesets import image_set
from schemas.samples import IMAGE
from tests.pipeline.imagesets.broken_files import KINDS_OF, write_broken


def coloured(value: int, size: tuple[int, int] = (20, 20), mode: str = "RGB") -> Image.Image:
    return Image.new(mode, size, (value, 0, 200))


def encoded(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "png", **options})
    return buffer.getvalue()


def read(path: Path, size: int = 16) -> tuple[list[str], np.ndarray]:
    found = image_set.find(path)
    return found.open().read(range(found.n), size, size)


def one(tmp_path: Path, image: Image.Image, name: str = "a.png", **options) -> np.ndarray:
    """What the model sees of one image: (8, 8, 3)."""
    image.save(tmp_path / name, **options)
    return read(tmp_path, 8)[1][0]


def parquet(path: Path, values: list[int], kind: str = "struct", column: str = "image", **more: list) -> Path:
    cells = [encoded(coloured(value)) for value in values]
    array = pa.array([{"bytes": cell, "path": None} for cell in cells], IMAGE) if kind == "struct" else pa.array(cells)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({column: array, **more}), path, row_group_size=2)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three images and things that are none."""
    root = tmp_path / "set"
    (root / "a" / "deep").mkdir(parents=True)
    (root / ".cache").mkdir()
    coloured(10).save(root / "b.png")
    coloured(20).save(root / "a" / "deep" / "z.JPG", quality=100)
    coloured(30).save(root / "a" / "y.webp", lossless=True)
    coloured(40).save(root / ".cache" / "hidden.png")
    (root / "._b.png").write_bytes(b"what macOS leaves behind")
    (root / "notes.txt").write_text("not an image")
    return root


# What is found


def test_a_folder_is_searched_with_all_below_it_in_the_order_of_its_paths(folder):
    names, seen = read(folder)
    assert names == ["a/deep/z.JPG", "a/y.webp", "b.png"]
    assert seen.shape == (3, 16, 16, 3) and seen.dtype == np.uint8
    np.testing.assert_allclose(seen[:, 8, 8, 0], [20, 30, 10], atol=2)


@pytest.mark.parametrize("kind", ["struct", "binary"])
@pytest.mark.parametrize("column", ["image", "picture"])
def test_parquet_in_either_form_and_the_same_images_by_rows(tmp_path, kind, column):
    file = parquet(tmp_path / "set.parquet", [1, 2, 3, 4, 5], kind, column, label=[0, 1, 0, 1, 0])
    names, seen = read(file)
    assert names[0] == "set.parquet:0" and len(names) == 5
    assert seen[:, 0, 0, 0].tolist() == [1, 2, 3, 4, 5]
    middle = image_set.find(file).open().read(range(1, 4), 16, 16)  # across row groups
    assert middle[0] == names[1:4] and (middle[1] == seen[1:4]).all()


def test_a_folder_of_parquet_leaves_out_what_has_no_images(tmp_path):
    parquet(tmp_path / "data" / "train-1.parquet", [3, 4])
    parquet(tmp_path / "data" / "train-0.parquet", [1, 2])
    pq.write_table(pa.table({"h": [1.0]}), tmp_path / "data" / "activations.parquet")
    names, seen = read(tmp_path)
    assert names == [
        "data/train-0.parquet:0",
        "data/train-0.parquet:1",
        "data/train-1.parquet:0",
        "data/train-1.parquet:1",
    ]
    assert seen[:, 0, 0, 0].tolist() == [1, 2, 3, 4]


def test_of_several_binary_columns_the_one_named_image_is_taken(tmp_path):
    read(parquet(tmp_path / "a.parquet", [1], thumbnail=[b"x"]))
    with pytest.raises(UserError, match="2 columns that could hold images: picture, thumbnail.\nRename"):
        image_set.find(parquet(tmp_path / "b.parquet", [1], column="picture", thumbnail=[b"x"]))


# What identifies a set


def test_names_contents_and_order_identify_a_set_and_where_it_lies_does_not(folder, tmp_path):
    here = image_set.find(folder)
    there = image_set.find(shutil.copytree(folder, tmp_path / "elsewhere"))
    assert settings(here) == settings(there) == {"is": "ImageSet", "sha256": here.sha256, "n": 3}

    (folder / "b.png").rename(folder / "c.png")
    renamed = image_set.find(folder)
    coloured(11).save(folder / "c.png")
    repainted = image_set.find(folder)
    assert len({here.sha256, renamed.sha256, repainted.sha256}) == 3


def test_a_set_that_changes_after_it_was_found_is_recognised(folder):
    found = image_set.find(folder)
    opened = found.open()
    coloured(11).save(folder / "b.png")
    opened.read(range(2), 16, 16)
    with pytest.raises(UserError, match=r"b.png has changed since it was first read. Start the job again."):
        opened.read(range(1, 3), 16, 16)
    coloured(12).save(folder / "d.png")
    with pytest.raises(UserError, match="held 3 images when it was first read and now 4"):
        found.open()
    with pytest.raises(UserError, match="does not exist"):
        replace(found, path=str(folder / "gone")).open()


# What the model sees


def test_the_middle_is_cut_out(tmp_path):
    wide = coloured(0, (40, 20))
    wide.paste((255, 255, 255), (10, 0, 30, 20))
    assert (one(tmp_path, wide) > 230).all()  # resampling sees a little beyond the edge


def test_an_image_of_the_right_size_is_left_as_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    assert (one(tmp_path, Image.fromarray(pixels)) == pixels).all()


def test_a_rotated_photograph_is_turned_upright(tmp_path):
    image = coloured(0, (16, 16))
    image.paste((255, 255, 255), (0, 0, 16, 8))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the top of the scene is at the right
    seen = one(tmp_path, image, exif=exif)
    assert seen[:, -2:].min() > 200 > 50 > seen[:, :2, 0].max()


def test_transparency_is_laid_on_white(tmp_path):
    assert (one(tmp_path, Image.new("RGBA", (8, 8), (0, 0, 0, 0))) == 255).all()
    assert (one(tmp_path, Image.new("LA", (8, 8), (0, 0))) == 255).all()


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK"])
def test_other_modes_become_rgb(tmp_path, mode):
    grey = Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode)
    assert (one(tmp_path, grey, "a.jpg" if mode == "CMYK" else "a.png") == 255).all()


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path):
    pixels = np.repeat(np.linspace(0, 65535, 8).round().astype(np.uint16)[None], 8, 0)
    seen = one(tmp_path, Image.fromarray(pixels))
    np.testing.assert_allclose(seen[0, :, 0], np.linspace(0, 255, 8), atol=1)
    assert (seen[..., 0] == seen[..., 2]).all()


# What is refused


def refused(path: Path, *messages: str) -> None:
    with pytest.raises(UserError) as caught:
        image_set.find(path)
    for message in messages:
        assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


def test_a_path_that_is_missing_or_a_single_image(folder, tmp_path):
    refused(
        tmp_path / "gone",
        "gone does not exist; expected a folder of images (.png, .jpg, ",
        "or a .parquet or .tar file",
    )
    refused(folder / "b.png", "b.png is a file; expected a folder of images")


def test_a_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    refused(tmp_path, "holds no images; expected .png, ", "Left out: 1 .txt files, such as notes.txt")


def test_images_and_parquet_in_one_folder(folder):
    parquet(folder / "more.parquet", [1])
    refused(folder, "3 image files and 1 Parquet files; expected one kind", "more.parquet")


def test_a_file_that_is_no_image(folder):
    (folder / "c.png").write_text("<html>not found</html>")
    refused(
        folder,
        f"{folder / 'c.png'} cannot be read as an image (no image: no image format",
        "1 of 4 images cannot be read (1 no image)",
        "remove them",
    )


@pytest.mark.parametrize("kept", [0, 40, 60])
def test_a_truncated_png_is_recognised_when_the_set_is_found(folder, kept):
    (folder / "b.png").write_bytes(encoded(coloured(1))[:kept])
    refused(folder, f"{folder / 'b.png'} cannot be read as an image (")


def test_a_truncated_jpeg_is_recognised_when_the_set_is_found(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    (tmp_path / "a.jpg").write_bytes(encoded(noise, format="jpeg")[:2000])
    refused(tmp_path, "a.jpg cannot be read as an image (truncated: ", "1 of 1 images")


def test_a_tiny_image(folder):
    coloured(1, (200, 7)).save(folder / "c.png")
    refused(folder, "c.png cannot be read as an image (tiny: 200 x 7 pixels; expected at least 8 a side")


def test_parquet_without_images_or_rows_or_that_is_none(tmp_path):
    file = tmp_path / "set.parquet"
    pq.write_table(pa.table({"path": ["a.png"], "label": [1]}), file)
    refused(file, "set.parquet has no column of images; it has path, label", "Hugging Face")
    parquet(file, [])
    refused(file, "Parquet without a row")
    file.write_bytes(b"PAR1 but no more")
    refused(file, "set.parquet cannot be read as Parquet (", "Copy it again")


def test_parquet_that_only_points_to_files(tmp_path):
    cells = [{"bytes": encoded(coloured(1)), "path": None}, {"bytes": None, "path": "there/a.png"}]
    pq.write_table(pa.table({"image": pa.array(cells, IMAGE)}), tmp_path / "set.parquet")
    refused(
        tmp_path / "set.parquet",
        "(row 1 of 'image') cannot be read",
        "the row only has a path elsewhere, there/a.png",
        "Dataset.to_parquet",
    )


# What is left out


@pytest.fixture
def mixed(tmp_path) -> Path:
    """Forty images and broken ones of fourteen kinds among them."""
    root = tmp_path / "mixed"
    root.mkdir()
    for i in range(40):
        (root / f"{'az'[i % 2]}{i:02d}.png").write_bytes(encoded(coloured(i)))
    write_broken(root)
    return root


def test_broken_images_are_left_out_with_their_reasons_and_the_others_are_numbered_without_gaps(mixed):
    found = image_set.find(mixed, fail_above=0.3)
    assert {each.name: each.kind for each in found.broken} == KINDS_OF and all(each.reason for each in found.broken)
    names, seen = found.open().read(range(found.n), 16, 16)
    assert found.n == 40 and list(found.names) == names and not set(names) & KINDS_OF.keys()
    assert seen[:, 8, 8, 0].tolist() == [int(name[1:3]) for name in names]
    some, few = found.open().read([37, 2, 21], 16, 16)
    assert some == [names[i] for i in (37, 2, 21)] and (few == seen[[37, 2, 21]]).all()
    [note] = found.notes
    assert note.startswith(
        "14 of 54 images cannot be read and are left out (5 truncated, 2 damaged, 2 no image, 1 empty, "
    )


def test_a_set_is_that_of_its_images_whatever_is_broken_beside_them(mixed):
    before = image_set.find(mixed, 0.3)
    for name in KINDS_OF:
        (mixed / name).unlink()
    after = image_set.find(mixed)
    assert settings(before) == settings(after) and after.notes == ()


def test_more_broken_images_than_may_be_are_refused_with_their_number(mixed):
    with pytest.raises(
        UserError, match=r"14 of 54 images cannot be read \(5 truncated.*at most 0.05 of them.*`fail_above`"
    ):
        image_set.find(mixed)


def test_a_set_without_a_single_image_that_can_be_read_is_refused_whatever_may_be_broken(tmp_path):
    write_broken(tmp_path)
    with pytest.raises(UserError, match="14 of 14 images cannot be read"):
        image_set.find(tmp_path, 1.0)


def test_a_name_that_is_no_utf8_and_a_pipe(folder):
    import os

    coloured(50).save(folder / os.fsdecode(b"caf\xe9.png"))
    os.mkfifo(folder / "waits.png")
    found = image_set.find(folder)
    assert found.names[2:] == ("b.png", "caf\\xe9.png")
    assert "Left out: 1 pipes, sockets and devices, such as waits.png." in found.told


def test_a_read_looks_at_the_rows_that_it_needs_and_at_no_others(tmp_path):
    looked = []

    class Watched(tuple):
        def __getitem__(self, i):
            looked.append(i)
            return tuple.__getitem__(self, i)

        def __iter__(self):
            raise AssertionError("all rows are looked at")

    for i in range(4):
        parquet(tmp_path / f"{i}.parquet", [40 * i + j for j in range(5)])  # groups of 2, 2 and 1
    opened = image_set.find(tmp_path).open()
    opened = replace(opened, rows=Watched(opened.rows))
    names, seen = opened.read([19, 6, 5, 7], 16, 16)
    assert names == ["3.parquet:4", "1.parquet:1", "1.parquet:0", "1.parquet:2"]
    assert seen[:, 8, 8, 0].tolist() == [124, 41, 40, 42]
    opened.read([0], 16, 16)
    assert [i for i in looked if isinstance(i, int)] == [3, 4, 11, 0] and len(looked) == 5
