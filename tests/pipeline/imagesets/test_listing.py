"""A listing: what recognises a set, what is found of several kinds, a store's samples by its root, and what changes meanwhile."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import UserError
from pipeline.imagesets.encoded import Encoded
from pipeline.imagesets.listing import Listing, read
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
    (parts / "stage.json").write_text(json.dumps({"stage": "sample"}))
    parquet(tmp_path / "root" / "edit-99" / "00000" / "edits.parquet", 3, 3)
    (tmp_path / "root" / "edit-99" / "stage.json").write_text("{}")
    listing, found = listed(tmp_path / "root")
    assert [each.name for each in found] == [f"{part:05d}/samples.parquet:{i}" for part in range(2) for i in range(3)]
    assert ("Parquet files without images", 2) in [(each.what, each.n) for each in listing.left_out]
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
