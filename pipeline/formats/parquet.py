"""Tables as Parquet, with page checksums."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.formats.pages import PageWriter
from pipeline.phases import phase

_TABLE_OPTIONS = {"compression": "zstd", "write_page_checksum": True}


@phase("write")
def write_table(path: Path, table: pa.Table) -> None:
    """A small table as Parquet."""
    pq.write_table(table, path, **_TABLE_OPTIONS)


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A Parquet file that is written in pieces, each with `write_table`: what is large is never in memory at once."""
    with pq.ParquetWriter(path, schema, **_TABLE_OPTIONS) as writer:
        writer.write_table = phase("write")(writer.write_table)
        yield writer


@contextmanager
def h_writer(path: Path, schema: pa.Schema) -> Iterator[PageWriter]:
    """A Parquet file of activations that is written while the reverse process goes, one row group a step.

    Without compression, dictionaries and statistics, and in place: h has no repeated values, and other encodings are many times
    slower. The footer is written when the block ends well: what an exception leaves is no Parquet file.
    """
    with open(path, "wb") as file:
        writer = PageWriter(file, schema)
        yield writer
        writer.close()
