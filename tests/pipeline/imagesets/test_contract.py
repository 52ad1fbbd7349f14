"""What every kind of image set must keep to, and one that lives outside the package, which is that of CONTRIBUTING.md.

A new kind is tested by being listed in `KINDS`; `WRITERS` says how one is written.
"""

import io
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.imagesets import image_set, listing
from pipeline.imagesets.image_set import KINDS
from tests.documented import added, listed

SHADES = (10, 60, 110, 160, 210)
ROOT = Path(__file__).parents[3]


def png(shade: int, side: int = 16) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 0, 255 - shade)).save(buffer, "png")
    return buffer.getvalue()


def write_folder(path: Path, images: list[bytes]) -> Path:
    path.mkdir(exist_ok=True)
    for i, image in enumerate(images):
        (path / f"{i}.png").write_bytes(image)
    return path / "0.png"


def write_parquet(path: Path, images: list[bytes]) -> Path:
    path.mkdir(exist_ok=True)
    pq.write_table(
        pa.table({"image": images}), path / "0.parquet", row_group_size=2, compression="none", write_page_checksum=True
    )
    return path / "0.parquet"


def write_tars(path: Path, images: list[bytes]) -> Path:
    path.mkdir(exist_ok=True)
    with tarfile.open(path / "0.tar", "w") as archive:
        for i, image in enumerate(images):
            member = tarfile.TarInfo(f"{i}.png")
            member.size = len(image)
            archive.addfile(member, io.BytesIO(image))
    return path / "0.tar"


def write_zips(path: Path, images: list[bytes]) -> Path:
    path.mkdir(exist_ok=True)
    with ZipFile(path / "0.zip", "w") as archive:
        for i, image in enumerate(images):
            archive.writestr(f"{i}.png", image)
    return path / "0.zip"


# Each writes images in this order into a folder, and returns the first of its files.
WRITERS: dict[str, Callable[[Path, list[bytes]], Path]] = {
    "folder": write_folder,
    "parquet": write_parquet,
    "tars": write_tars,
    "zips": write_zips,
}


@pytest.fixture(params=[*KINDS, "zips"])
def write(request) -> Iterator[Callable[[Path, list[bytes]], Path]]:
    with listed("image set", KINDS):
        yield WRITERS[request.param]


@pytest.fixture
def found(write, tmp_path) -> image_set.ImageSet:
    write(tmp_path / "set", [png(shade) for shade in SHADES])
    return image_set.find(tmp_path / "set")


def test_every_image_is_found_in_order_by_a_name_of_its_own(found):
    names, images = found.open().read(range(found.n), 16, 16)
    assert found.n == len(set(names)) == len(SHADES)
    assert images.dtype == np.uint8 and images.shape == (5, 16, 16, 3)
    expected = np.stack([np.full((16, 16, 3), (shade, 0, 255 - shade)) for shade in SHADES])
    assert (images == expected).all()


@pytest.mark.parametrize("rows", [range(1), range(1, 4), range(3, 5)])
def test_some_rows_are_what_they_are_among_all(found, rows):
    opened = found.open()
    names, images = opened.read(range(found.n), 16, 16)
    some, seen = opened.read(rows, 16, 16)
    assert some == names[rows.start : rows.stop] and (seen == images[rows.start : rows.stop]).all()


def test_names_are_known_without_an_image_read(found):
    opened = found.open()
    names = [name for row in opened.rows for name in listing.names(found.kind, opened.root, row)]
    assert names == opened.read(range(found.n), 16, 16)[0]


def test_a_set_is_the_same_wherever_it_lies_and_another_with_another_image(found, write, tmp_path):
    moved = shutil.copytree(found.path, tmp_path / "moved")
    assert settings(image_set.find(moved)) == settings(found)
    write(moved, [png(shade) for shade in (*SHADES[:-1], 0)])
    assert settings(image_set.find(moved)) != settings(found)


def test_an_image_that_changes_after_it_was_found_is_refused(found, write):
    write(Path(found.path), [png(shade) for shade in (*SHADES[:-1], 0)])
    opened = found.open()
    assert opened.read(range(4), 16, 16)[1].shape == (4, 16, 16, 3)
    with pytest.raises(UserError, match="has changed since it was first read"):
        opened.read(range(5), 16, 16)


def test_images_that_come_after_it_was_found_are_refused(found, write):
    write(Path(found.path), [png(shade) for shade in (*SHADES, 0)])
    with pytest.raises(UserError, match="held 5 images when it was first read and now 6"):
        found.open()


@pytest.mark.parametrize("image", [b"<html>not found</html>", png(1)[:50], png(1, side=7)], ids=["none", "cut", "tiny"])
def test_what_cannot_be_an_image_is_refused_with_where_it_lies(write, tmp_path, image):
    write(tmp_path / "set", [png(1), image])
    with pytest.raises(UserError, match=f"^{tmp_path / 'set'}/.* cannot be read as an image"):
        image_set.find(tmp_path / "set")


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_file_is_refused_by_name(write, tmp_path, damage):
    file = write(tmp_path / "set", [png(shade) for shade in SHADES])
    content = bytearray(file.read_bytes())
    content[content.index(b"IDAT") + 8] ^= 8  # of the first image's pixels
    file.write_bytes(content if damage == "flipped" else content[: len(content) // 2])
    with pytest.raises(UserError, match=f"^{file}.*cannot be read"):
        image_set.find(tmp_path / "set")


READ = """
import pickle, sys
found = pickle.loads(sys.stdin.buffer.read())
names, images = found.open().read(range(1, found.n), 16, 16)
sys.stdout.buffer.write(pickle.dumps((names, images)))
"""


def test_a_worker_that_knows_of_no_such_kind_reads_the_same_images(found):
    """What is registered is registered in the process that finds the images, and nowhere else."""
    path = os.pathsep.join([str(ROOT), str(added("image set").folder)])
    done = subprocess.run(
        [sys.executable, "-c", READ],
        input=pickle.dumps(found),
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr.decode()
    names, images = pickle.loads(done.stdout)
    expected, seen = found.open().read(range(1, found.n), 16, 16)
    assert names == expected and (images == seen).all()
