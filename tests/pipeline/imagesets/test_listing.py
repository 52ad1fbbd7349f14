"""A listing: what recognises a set, what is found of several kinds, a store's samples by its root, and what changes meanwhile."""

import errno
import json
import os
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import UserError
from pipeline.imagesets import image_set
from pipeline.imagesets.encoded import Encoded
from pipeline.imagesets.listing import Listing, read
from pipeline.imagesets.storage import StorageFails
from schemas.samples import IMAGE
from tests.pipeline.imagesets.broken_files import encoded, noise


def listed(path: Path) -> tuple[Listing, list[Encoded]]:
    listing = Listing(path)
    rows = list(listing.rows())
    return listing, [each for row in rows for each in read(listing.kind, listing.root, row, range(row.images))]


def folder(root: Path, n: int = 3) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        (root / f"{i}.png").write_bytes(encoded(noise(16, 16, seed=i), "png"))
    return root


def parquet(path: Path, n: int, rows: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [{"bytes": encoded(noise(16, 16, seed=i), "png"), "path": None} for i in range(n)]
    pq.write_table(pa.table({"image": pa.array(cells, IMAGE)}), path, row_group_size=rows)
    return path


def test_a_listing_is_recognised_by_names_sizes_and_times(tmp_path):
    root = folder(tmp_path / "set")
    before, _ = listed(root)
    assert listed(root)[0].sha256 == before.sha256 and before.n == 3
    os.utime(root / "1.png", ns=(0, 1))
    assert listed(root)[0].sha256 != before.sha256


def test_an_image_that_changes_or_goes_after_the_listing_is_told_and_the_others_are_read(tmp_path):
    root = folder(tmp_path / "set")
    listing = Listing(root)
    rows = list(listing.rows())
    (root / "0.png").write_bytes(b"changed")
    (root / "1.png").unlink()
    found = [each for row in rows for each in read(listing.kind, listing.root, row, range(1))]
    assert [each.fault and each.fault[0] for each in found] == ["changed", "changed", None]
    assert "has changed since" in found[0].fault[1] and "is gone since" in found[1].fault[1]


def test_a_store_given_by_its_root_is_its_samples(tmp_path):
    parts = tmp_path / "root" / "sample-1234"
    for part in range(2):
        parquet(parts / f"{part:05d}" / "samples.parquet", 3, 3)
        pq.write_table(pa.table({"h": [1.0]}), parts / f"{part:05d}" / "activations.parquet")
        (parts / f"{part:05d}.json").write_text(json.dumps({"folder": f"{part:05d}"}))
    parquet(parts / "00000-of-a-writer-that-was-killed" / "samples.parquet", 3, 3)
    (parts / "stage.json").write_text(json.dumps({"stage": "sample"}))
    parquet(tmp_path / "root" / "edit-99" / "00000" / "edits.parquet", 3, 3)
    (tmp_path / "root" / "edit-99" / "stage.json").write_text("{}")
    listing, found = listed(tmp_path / "root")
    assert [each.name for each in found] == [f"{part:05d}/samples.parquet:{i}" for part in range(2) for i in range(3)]
    left_out = [(each.what, each.n) for each in listing.left_out]
    assert ("Parquet files without images", 2) in left_out
    assert ("files of parts that are not finished", 1) in left_out
    other = tmp_path / "root" / "sample-5678"
    other.mkdir()
    (other / "stage.json").write_text("{}")
    with pytest.raises(UserError, match="images of 2 stages: sample-1234, sample-5678.\nName the folder of one"):
        listed(tmp_path / "root")


def test_a_row_group_is_read_some_rows_at_a_time_and_no_further_than_is_wanted(tmp_path, monkeypatch):
    from pipeline.imagesets.parquet import RowGroup

    asked = []
    whole = RowGroup._batches
    monkeypatch.setattr(RowGroup, "_batches", lambda self: (asked.append(len(batch)) or batch for batch in whole(self)))
    listing = Listing(parquet(tmp_path / "a.parquet", 200, 200))
    [row] = listing.rows()
    found = list(read(listing.kind, listing.root, row, range(70, 120)))
    assert [each.name for each in found] == [f"a.parquet:{i}" for i in range(70, 120)]
    assert asked == [64, 64], "once for all, and not the last 72 rows"


def test_a_file_of_parquet_that_cannot_be_read_is_one_broken_image_among_others(tmp_path):
    parquet(tmp_path / "set" / "a.parquet", 3, 2)
    (tmp_path / "set" / "b.parquet").write_bytes(b"PAR1 and no more")
    listing, found = listed(tmp_path / "set")
    assert listing.n == 4 and [bool(each.fault) for each in found] == [False, False, False, True]
    assert "cannot be read as Parquet" in found[-1].fault[1]


def test_a_damaged_shard_is_told_at_the_start_and_weighs_by_its_bytes(tmp_path):
    for name in "abc":
        path = parquet(tmp_path / "set" / f"{name}.parquet", 30, 10)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    listing, found = listed(tmp_path / "set")
    assert listing.n == len(found) == 61
    assert listing.told[1:] == [
        "Left out: 1 Parquet files that cannot be read, with all their images, such as c.parquet."
    ]
    share = (len(whole) // 2) / (2 * len(whole) + len(whole) // 2)
    listing.check_read(share + 1e-6)
    with pytest.raises(UserError, match=r"c.parquet cannot be read as Parquet(.|\n)*20.0% of its bytes.*`fail_above`"):
        listing.check_read(share - 1e-6)
    with pytest.raises(UserError, match="1 Parquet files that cannot be read, with all their images"):
        image_set.find(tmp_path / "set")
    assert image_set.find(tmp_path / "set", 0.5).n == 60


def test_a_file_that_may_not_be_read_makes_another_listing_once_it_may(tmp_path, monkeypatch):
    root = folder(tmp_path / "set")
    allowed, _ = listed(root)
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("1.png") and may(path, mode))
    refused, found = listed(root)
    assert [each.fault for each in found] == [None, ("unreadable", "Permission denied"), None]
    monkeypatch.setattr(os, "access", may)
    again, found = listed(root)
    assert again.sha256 == allowed.sha256 != refused.sha256 and not any(each.fault for each in found)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_storage_that_fails_for_a_while_is_no_fault_of_an_image(tmp_path, monkeypatch, code):
    root = folder(tmp_path / "set")

    def fail(path):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.imagesets.folder.contents", fail)
        with pytest.raises(StorageFails, match="0.png cannot be read at the moment.*\n.*Start the job again"):
            listed(root)
    assert not any(each.fault for each in listed(root)[1])


@pytest.mark.parametrize("kind", ["parquet", "tar"])
def test_storage_that_fails_within_a_file_of_many_images_is_no_fault_of_theirs(tmp_path, monkeypatch, kind):
    from pipeline.imagesets import parquet as of_parquet
    from pipeline.imagesets import tars

    path = parquet(tmp_path / "a.parquet", 3, 3)
    if kind == "tar":
        path = tmp_path / "a.tar"
        with tarfile.open(path, "w") as archive:
            archive.add(folder(tmp_path / "set") / "0.png", "0.png")
    listing = Listing(path)
    rows = list(listing.rows())

    def fail(*args, **options):
        raise OSError(errno.EIO, "Input/output error")

    if kind == "parquet":
        monkeypatch.setattr(of_parquet.pq, "ParquetFile", fail)
    else:
        monkeypatch.setattr(tars, "open", fail, raising=False)
    with pytest.raises(StorageFails):
        list(read(listing.kind, listing.root, rows[0], range(1)))
    os.utime(path, ns=(0, 7))  # so that nothing is kept of it
    monkeypatch.setattr(of_parquet.pq, "read_schema", fail)
    monkeypatch.setattr(tars.tarfile, "open", fail)
    with pytest.raises(StorageFails):
        listed(path)
