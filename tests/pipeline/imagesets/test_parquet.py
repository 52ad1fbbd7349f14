"""What is said of Parquet files of images before they are read."""

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.imagesets.listing import Listing
from tests.pipeline.imagesets.broken_files import encoded, noise


def test_a_row_group_that_parts_read_from_its_beginning_is_said(tmp_path, monkeypatch):
    pictures = [encoded(noise(seed=i), "png") for i in range(6)]
    pq.write_table(pa.table({"image": pictures}), tmp_path / "a.parquet", row_group_size=6)
    listing = Listing(tmp_path / "a.parquet")
    list(listing.rows())
    assert len(listing.told) == 1, "it is small"
    monkeypatch.setattr("pipeline.imagesets.parquet.LARGE", sum(map(len, pictures)))
    again = Listing(tmp_path / "a.parquet")
    list(again.rows())
    assert again.told[-1].startswith(
        "a.parquet has a row group of 0.0 GB, which every part of the work reads from its beginning"
    )
    assert again.sha256 == listing.sha256
