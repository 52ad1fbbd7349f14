"""Files of pages are Parquet to every reader, and no flipped bit of what is read goes unseen."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from pipeline.formats.pages import Footer, PageWriter, footer_of, is_paged, read_group, verify_pages
from pipeline.formats.reading import local_file
from schemas.activations import activations_schema, step_table

SHAPE, ROWS, STEPS = (3, 4, 5), 7, 20  # more than 15 row groups: lists of another form
SCHEMA = activations_schema(SHAPE)


def h_at(step: int) -> np.ndarray:
    return np.random.default_rng(step).standard_normal((ROWS, *SHAPE)).astype(np.float16)


@pytest.fixture
def path(tmp_path):
    with open(tmp_path / "h.parquet", "wb") as file:
        writer = PageWriter(file, SCHEMA)
        for step in range(STEPS):
            writer.write_table(step_table(range(100, 100 + ROWS), step, 999 - step, h_at(step), SCHEMA))
        writer.close()
    return tmp_path / "h.parquet"


def written(path) -> str:
    """The SHA-256 of the footer, as the store records it."""
    with local_file(path) as file:
        return hashlib.sha256(footer_of(file)).hexdigest()


def read_at(path, schema, group: int, into: np.ndarray, footer: str | None = None) -> pa.Table:
    sha256 = footer or written(path)
    with local_file(path) as file:
        return read_group(file, Footer(footer_of(file), sha256), schema, group, into)


def verify(path, sha256: str) -> None:
    with local_file(path) as file:
        verify_pages(file, Footer(footer_of(file), sha256))


def read(path, step: int, footer: str | None = None) -> tuple[pa.Table, np.ndarray]:
    h = np.empty((ROWS, int(np.prod(SHAPE))), np.float16)
    return read_at(path, SCHEMA, step, h, footer), h


def test_a_footer_that_speaks_of_more_than_there_is_takes_no_memory(tmp_path):
    with open(tmp_path / "h.parquet", "wb") as file:
        writer = PageWriter(file, SCHEMA)
        writer.write_table(step_table(range(ROWS), 0, 999, h_at(0), SCHEMA))
        writer._groups[0][3] = type(writer._groups[0][3])(2**50)
        writer.close()
    with pytest.raises(OSError, match="more than it holds"):
        verify(tmp_path / "h.parquet", written(tmp_path / "h.parquet"))


def test_what_is_read_is_what_was_written(path):
    for step in (0, 7, STEPS - 1):
        others, h = read(path, step)
        np.testing.assert_array_equal(h, h_at(step).reshape(ROWS, -1))
        assert others.to_pydict() == {
            "sample_id": [*range(100, 100 + ROWS)],
            "step": [step] * ROWS,
            "timestep": [999 - step] * ROWS,
        }


def test_arrow_and_pandas_read_it_as_any_parquet(path):
    expected = np.concatenate([h_at(step) for step in range(STEPS)]).reshape(STEPS * ROWS, -1)
    table = pq.read_table(path, page_checksum_verification=True)
    assert table.schema.equals(SCHEMA) and table.schema.metadata.items() > SCHEMA.metadata.items()
    rows = [row.tobytes() for row in expected.astype("<f2")]
    assert table["h"].to_pylist() == pa.dataset.dataset(path).to_table()["h"].to_pylist() == rows
    frame = pd.read_parquet(path)
    assert frame["step"].tolist() == np.repeat(range(STEPS), ROWS).tolist()
    np.testing.assert_array_equal(np.frombuffer(b"".join(frame["h"]), np.float16), expected.ravel())
    metadata = pq.read_metadata(path)
    assert (metadata.num_row_groups, metadata.num_rows) == (STEPS, STEPS * ROWS)
    assert metadata.row_group(3).column(3).compression == "UNCOMPRESSED"


def test_arrow_verifies_the_checksums(path):
    at = pq.read_metadata(path).row_group(2).column(3).data_page_offset + 60
    flip(path, at)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)


def test_every_flipped_bit_is_seen(path):
    """Of the row group that is read, and of the footer. Other row groups are not read, and may be damaged."""
    whole, step, recorded = path.read_bytes(), 4, written(path)
    first = pq.read_metadata(path).row_group(step).column(0).data_page_offset
    end = pq.read_metadata(path).row_group(step + 1).column(0).data_page_offset
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for i, at in enumerate([*range(first, end), *range(footer, len(whole))]):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << i % 8]) + whole[at + 1 :])
        with pytest.raises(OSError):
            read(path, step, recorded)
    path.write_bytes(whole[: first - 1] + bytes([whole[first - 1] ^ 1]) + whole[first:])
    read(path, step, recorded)


def test_a_page_with_the_right_header_in_the_wrong_place_is_seen(path):
    """What a disk returns after a lost write: an old page, whole in itself."""
    pages = [pq.read_metadata(path).row_group(step).column(3) for step in (2, 3)]
    whole, recorded = path.read_bytes(), written(path)
    starts = [page.data_page_offset for page in pages]
    size = pages[0].total_compressed_size
    assert size == pages[1].total_compressed_size
    old = whole[starts[0] : starts[0] + size]
    path.write_bytes(whole[: starts[1]] + old + whole[starts[1] + size :])
    with pytest.raises(OSError, match="checksum"):
        read(path, 3, recorded)


def test_all_of_a_file_is_verified_by_its_footer(path):
    whole, recorded = path.read_bytes(), written(path)
    verify(path, recorded)
    assert is_paged(path)
    for at in [0, 1, 2, 3, *range(4, len(whole), 97)]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(OSError):
            verify(path, recorded)


def test_other_numbers_have_another_footer(path, tmp_path):
    """So the record of a part tells two of them apart."""
    with open(tmp_path / "other.parquet", "wb") as file:
        writer = PageWriter(file, SCHEMA)
        for step in range(STEPS):
            h = h_at(step) if step else h_at(step) + np.float16(0.001)
            writer.write_table(step_table(range(100, 100 + ROWS), step, 999 - step, h, SCHEMA))
        writer.close()
    assert (tmp_path / "other.parquet").stat().st_size == pytest.approx(path.stat().st_size, abs=50)
    assert written(tmp_path / "other.parquet") != written(path)


def flip(path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def test_a_file_that_was_not_closed_is_no_parquet(tmp_path):
    with open(tmp_path / "h.parquet", "wb") as file:
        PageWriter(file, SCHEMA).write_table(step_table(range(ROWS), 0, 999, h_at(0), SCHEMA))
    with pytest.raises(pa.ArrowInvalid):
        pq.read_metadata(tmp_path / "h.parquet")


def test_no_rows_and_nulls_are_refused(tmp_path):
    schema = pa.schema([pa.field("n", pa.int64())])
    with open(tmp_path / "n.parquet", "wb") as file:
        for numbers in ([], [1, None]):
            with pytest.raises(ValueError, match="expected at least one row, and no nulls"):
                PageWriter(file, schema).write_table(pa.table({"n": pa.array(numbers, pa.int64())}, schema=schema))


def test_what_does_not_fit_is_refused(path, tmp_path):
    other = activations_schema((3, 4, 6))
    with open(tmp_path / "other.parquet", "wb") as file, pytest.raises(ValueError, match="expected"):
        PageWriter(file, other).write_table(step_table(range(ROWS), 0, 999, h_at(0), SCHEMA))
    with pytest.raises(OSError, match="its columns are"):
        read_at(path, other, 0, np.empty((ROWS, 72), np.float16))
    with pytest.raises(OSError, match="has 7 rows; expected 8"):
        read_at(path, SCHEMA, 0, np.empty((ROWS + 1, 60), np.float16))
