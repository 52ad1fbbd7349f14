"""WebDataset tars: the images that the library finds, in its order, and what is left out of a shard or cut off it."""

import io
import tarfile
from pathlib import Path

import pytest
import webdataset

from pipeline.errors import UserError
from pipeline.imagesets.listing import Listing, read
from tests.pipeline.imagesets.broken_files import encoded, noise


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def images(path: Path) -> tuple[Listing, dict[str, bytes]]:
    listing = Listing(path)
    rows = list(listing.rows())
    found = [each for row in rows for each in read(listing.kind, listing.root, row, range(row.images))]
    assert listing.n == len(found) == len({each.name for each in found})
    return listing, {each.name: each.data for each in found}


@pytest.fixture
def shard(tmp_path) -> Path:
    members = {}
    for i in range(4):
        picture = encoded(noise(seed=i), "png" if i % 2 else "jpeg")
        members |= {
            f"set/{i:03d}.{'PNG' if i % 2 else 'jpg'}": picture,
            f"set/{i:03d}.json": b"{}",
            f"set/{i:03d}.cls": b"1",
        }
    return tar(tmp_path / "train-000.tar", members)


def test_the_images_are_those_that_webdataset_reads(shard):
    _, found = images(shard)
    theirs = {}
    for sample in webdataset.WebDataset(str(shard), shardshuffle=False):
        suffix = next(each for each in ("jpg", "png") if each in sample)
        theirs[sample["__key__"]] = sample[suffix]
    ours = {Path(name).with_suffix("").as_posix().removeprefix("train-000.tar/"): data for name, data in found.items()}
    assert list(ours) == list(theirs) and ours == theirs


def test_what_else_is_in_a_shard_is_counted_and_some_rows_are_what_they_are_among_all(shard):
    listing, found = images(shard.parent)
    assert [(each.what, each.n) for each in listing.left_out] == [
        ("members of tar files: .cls files", 4),
        ("members of tar files: .json files", 4),
    ]
    [row] = Listing(shard).rows()
    assert [each.data for each in read(listing.kind, shard.parent, row, range(1, 3))] == [*found.values()][1:3]


def test_an_extension_is_all_after_the_first_dot_and_of_two_with_one_name_the_later_counts(tmp_path):
    first, second = encoded(noise(seed=1), "png"), encoded(noise(seed=2), "png")
    path = tar(tmp_path / "a.tar", {"x.png": first, "x.mask.png": first, "y.png": first, "._y.png": b"", "z/": b""})
    with tarfile.open(path, "a") as archive:
        member = tarfile.TarInfo("x.png")
        member.size = len(second)
        archive.addfile(member, io.BytesIO(second))
    listing, found = images(path)
    assert found == {"a.tar/x.png": second, "a.tar/y.png": first}
    assert sum(each.n for each in listing.left_out) == 4


def test_a_shard_that_is_cut_off_keeps_what_comes_before_and_one_without_images_is_said(shard, tmp_path):
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) * 2 // 3])
    tar(tmp_path / "labels.tar", {"0.cls": b"1"})
    listing = Listing(tmp_path)
    encoded_images = [
        each for row in listing.rows() for each in read(listing.kind, listing.root, row, range(row.images))
    ]
    good, [bad] = [each for each in encoded_images if not each.fault], [each for each in encoded_images if each.fault]
    assert len(good) >= 1 and "cannot be read on as a tar" in bad.fault[1]
    assert ("tar files without images", 1) in [(each.what, each.n) for each in listing.left_out]
    [lost] = [each for each in listing.left_out if each.what.startswith("tar files that cannot")]
    assert (lost.what, lost.n, lost.example) == (
        "tar files that cannot be read to their end, with all images there",
        1,
        "train-000.tar",
    )
    shard.unlink()
    with pytest.raises(UserError, match="labels.tar has no images among its members: 1 .cls files"):
        list(Listing(tmp_path).rows())


def test_the_tail_of_a_damaged_shard_weighs_by_its_bytes(tmp_path):
    path = tar(tmp_path / "a.tar", {f"{i}.png": encoded(noise(seed=i), "png") for i in range(4)})
    with tarfile.open(path) as archive:
        headers = [each.offset for each in archive]
    content = bytearray(path.read_bytes())
    content[headers[1] : headers[1] + 512] = b"x" * 512
    path.write_bytes(content)
    listing = Listing(path)
    list(listing.rows())
    end = 512 + len(encoded(noise(seed=0), "png"))
    [lost] = listing.tally.lost.values()
    assert lost == len(content) - end and listing.n == 2
    with pytest.raises(UserError, match="a.tar cannot be read to its end(.|\n)*`fail_above`"):
        listing.check_read(0.5)


@pytest.mark.parametrize("left", [1, 2, 3])
def test_a_shard_that_is_cut_between_two_members_is_said_and_costs_nothing(left, tmp_path):
    path = tar(tmp_path / "a.tar", {f"{i}.png": encoded(noise(seed=i), "png") for i in range(4)})
    with tarfile.open(path) as archive:
        headers = [each.offset for each in archive]
    whole, _ = images(path)
    assert not whole.left_out
    path.write_bytes(path.read_bytes()[: headers[left]])
    listing, found = images(path)
    assert len(found) == left and all(found.values()), "each of them can be read"
    [said] = listing.left_out
    assert said == ("tar files without an end, as one that was cut between two members", 1, "a.tar")
    assert "Left out: 1 tar files without an end" in listing.told[-1]
    listing.check_read(0.0)
