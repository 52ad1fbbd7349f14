"""Parquet of plain columns, written and read without a copy.

Parquet stores a column of fixed width and without nulls as Arrow and NumPy hold it in memory. So here a column of a row group is
one page: a header, and then the column's own bytes. Any Parquet reader reads such a file, and verifies the checksum that is in the
header. Arrow's writer could make it, but copies every value twice, and takes longer over the checksum than over all the rest.

Headers and footer are those of parquet.thrift (https://github.com/apache/parquet-format) in Thrift's compact protocol: a struct is
a dict by field number here.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from isal.isal_zlib import crc32  # zlib's, at the speed of memory

from pipeline.formats.reading import PIECE, Readable
from pipeline.phases import phase

_MAGIC = b"PAR1"
_CREATED_BY = b"hspace-directions"
_CHECKSUMS = b"page_checksums"  # in the footer: of each row group, zlib's CRC-32 of each column
_TAIL = 4 + len(_MAGIC)  # bytes: the length of the footer, and the mark
_INT32, _INT64, _FIXED_LEN_BYTE_ARRAY = 1, 2, 7  # Type
_REQUIRED, _UNCOMPRESSED, _DATA_PAGE, _PLAIN, _RLE = 0, 0, 0, 0, 3  # of other enumerations

Struct = dict[int, Any]


class PageWriter:
    """Writes tables, a row group each, to an open file. Their columns are int32, int64 or fixed-size binary, without nulls.

    Before `close` the file has no footer, and no reader takes it for whole.
    """

    def __init__(self, file: BinaryIO, schema: pa.Schema):
        self.schema = schema
        self._file = file
        self._at = 0
        self._groups: list[Struct] = []
        self._checksums: list[list[int]] = []  # of the pages of each row group
        self._write(_MAGIC)

    @phase("write")
    def write_table(self, table: pa.Table) -> None:
        """Append a row group. Raises ValueError for a table of another schema."""
        if not table.schema.equals(self.schema):
            raise ValueError(f"Found a table of {table.schema}; expected {self.schema}.")
        if not len(table) or any(column.null_count for column in table.columns):
            raise ValueError(f"Found {len(table)} rows, or nulls among them; expected at least one row, and no nulls.")
        [batch] = table.combine_chunks().to_batches()
        self._checksums.append([])
        columns = [self._write_column(name, batch[name]) for name in table.column_names]
        chunks = [{2: _I64(0), 3: column} for column in columns]
        self._groups.append({1: chunks, 2: _I64(sum(column[7] for column in columns)), 3: _I64(len(table))})

    def close(self) -> None:
        """Write the footer."""
        fields = [{**_physical(field.type), 3: _REQUIRED, 4: field.name.encode()} for field in self.schema]
        root = {4: b"schema", 5: len(fields)}
        rows = _I64(sum(group[3] for group in self._groups))
        said = {**(self.schema.metadata or {}), _CHECKSUMS: json.dumps(self._checksums).encode()}
        metadata = [{1: key, 2: value} for key, value in said.items()]
        footer = _thrift({1: 2, 2: [root, *fields], 3: rows, 4: self._groups, 5: metadata, 6: _CREATED_BY})
        self._write(footer + len(footer).to_bytes(4, "little") + _MAGIC)

    def _write_column(self, name: str, column: pa.Array) -> Struct:
        """A page, and what the footer says of it."""
        data = _bytes_of(column)
        if len(data) >= 2**31:
            raise ValueError(
                f"{len(column)} rows of {name} are {len(data)} bytes; a page holds less than 2 GiB. Write fewer."
            )
        checksum = crc32(data)
        self._checksums[-1].append(checksum)
        header = _header(len(column), len(data), checksum)
        start, size = _I64(self._at), _I64(len(header) + len(data))
        self._reserve(size)
        self._write(header)
        self._write(data)
        kind, encodings = _physical(column.type)[1], [_PLAIN, _RLE]
        rows = _I64(len(column))
        return {1: kind, 2: encodings, 3: [name.encode()], 4: _UNCOMPRESSED, 5: rows, 6: size, 7: size, 9: start}

    def _reserve(self, size: int) -> None:
        """Have room made on the disk at once, where the system can: it is then written a third faster."""
        if size > PIECE and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file.fileno(), self._at, size)

    def _write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._at += len(data)


def footer_of(file: Readable) -> bytes:
    """The end of a Parquet file, from its footer on: what says where everything lies. Raises OSError where there is none."""
    tail = file.read(max(0, file.size - _TAIL), file.size)
    length = int.from_bytes(tail[:4], "little") + _TAIL
    if tail[4:] != _MAGIC or length > file.size:
        raise OSError("it has no footer")
    return file.read(file.size - length, file.size)


def read_group(
    file: Readable, footer: "Footer", schema: pa.Schema, group: int, into: np.ndarray, column: str | None = None
) -> pa.Table:
    """One row group of what a `PageWriter` wrote: a column, the last unless it is named, into an array (rows, ...).

    The plain columns come as a table; other columns of fixed-size binary are not read. Every page must have the checksum that
    stands in the footer, and the header of a page of its bytes. No other row group is read. Raises OSError, or one of Arrow's
    errors, unless all of it is so.
    """
    metadata = footer.metadata
    if not metadata.schema.to_arrow_schema().equals(schema):
        raise OSError(f"its columns are {metadata.schema.to_arrow_schema()}; expected {schema}")
    rows = metadata.row_group(group).num_rows
    if rows != len(into):
        raise OSError(f"row group {group} has {rows} rows; expected {len(into)}")
    wanted = schema.names.index(column) if column else len(schema) - 1
    plain = [i for i, field in enumerate(schema) if i != wanted and not pa.types.is_fixed_size_binary(field.type)]
    others = {i: np.empty(rows, schema.field(i).type.to_pandas_dtype()) for i in plain}
    _read_pages(file, footer, group, {**others, wanted: into})
    return pa.table(list(others.values()), names=[schema.names[i] for i in plain])


def verify_pages(file: Readable, footer: "Footer") -> None:
    """Raise OSError unless every byte of what a `PageWriter` wrote is as it was."""
    if file.read(0, len(_MAGIC)) != _MAGIC:
        raise OSError("it does not begin as Parquet does")
    for group in range(footer.metadata.num_row_groups):
        rows = footer.metadata.row_group(group).num_rows
        kinds = [field.type for field in footer.metadata.schema.to_arrow_schema()]
        if rows * sum(kind.bit_width for kind in kinds) > 8 * file.size:
            raise OSError("its footer speaks of more than it holds")
        columns = {i: np.empty(rows * kind.bit_width // 8, np.uint8) for i, kind in enumerate(kinds)}
        _read_pages(file, footer, group, columns, rows)


def is_paged(path: Path) -> bool:
    """Whether a `PageWriter` wrote this file: then its footer's SHA-256 stands for all of it."""
    return pq.read_metadata(path).created_by == _CREATED_BY.decode()


class Footer:
    """The footer of what a `PageWriter` wrote, believed once it has the SHA-256 that it was written with.

    Raises OSError, or one of Arrow's errors, where it has not.
    """

    def __init__(self, content: bytes, sha256: str) -> None:
        if hashlib.sha256(content).hexdigest() != sha256:
            raise OSError("its footer does not have the SHA-256 that it was written with")
        self.metadata: pq.FileMetaData = pq.read_metadata(pa.BufferReader(_MAGIC + content))
        self.checksums: list[list[int]] = json.loads(self.metadata.metadata[_CHECKSUMS])


def _read_pages(
    file: Readable, footer: Footer, group: int, columns: dict[int, np.ndarray], rows: int | None = None
) -> None:
    """Columns of a row group, by their place, into arrays (rows, ...)."""
    for i, column in columns.items():
        page = footer.metadata.row_group(group).column(i)
        span = range(page.data_page_offset, page.data_page_offset + page.total_compressed_size)
        _read_page(file, span, column, rows or len(column), footer.checksums[group][i])


def _read_page(file: Readable, span: range, column: np.ndarray, rows: int, expected: int) -> None:
    """A page into an array. It must have this checksum, and the header that a page of these bytes has."""
    data = memoryview(column.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
    header = file.read(span.start, span.start + max(0, len(span) - len(data)))
    checksum = 0
    for piece in file.fill(span.start + len(header), data):
        checksum = crc32(piece, checksum)
    if checksum != expected or header != _header(rows, len(data), checksum):
        raise OSError("a page does not have the checksum that it was written with")


def _bytes_of(column: pa.Array) -> memoryview:
    width = column.type.bit_width // 8
    return memoryview(column.buffers()[1])[column.offset * width : (column.offset + len(column)) * width]


def _physical(kind: pa.DataType) -> Struct:
    """The type of a column, as a SchemaElement has it."""
    if pa.types.is_fixed_size_binary(kind):
        return {1: _FIXED_LEN_BYTE_ARRAY, 2: kind.byte_width}
    return {1: {pa.int32(): _INT32, pa.int64(): _INT64}[kind]}


def _header(rows: int, size: int, checksum: int) -> bytes:
    """PageHeader, to the byte as Arrow writes it, empty statistics included. Thrift's integers are signed."""
    signed = checksum - ((checksum >> 31) << 32)
    return _thrift({1: _DATA_PAGE, 2: size, 3: size, 4: signed, 5: {1: rows, 2: _PLAIN, 3: _RLE, 4: _RLE, 5: {}}})


# Thrift's compact protocol


class _I64(int):
    """An integer that parquet.thrift declares as i64; a plain one is i32."""


def _thrift(struct: Struct) -> bytes:
    content, last = b"", 0
    for number, value in struct.items():
        code, encoded = _encoded(value)
        content += bytes([(number - last) << 4 | code]) + encoded
        last = number
    return content + b"\0"


def _encoded(value: Any) -> tuple[int, bytes]:
    """The code of a value's type, and the value."""
    if isinstance(value, int):
        zigzag = value << 1 if value >= 0 else ~(value << 1)
        return 6 if isinstance(value, _I64) else 5, _varint(zigzag)
    if isinstance(value, bytes):
        return 8, _varint(len(value)) + value
    if isinstance(value, list):
        codes, encoded = zip(*map(_encoded, value), strict=True) if value else ([12], [])
        size = (
            bytes([len(value) << 4 | codes[0]]) if len(value) < 15 else bytes([0xF0 | codes[0]]) + _varint(len(value))
        )
        return 9, size + b"".join(encoded)
    return 12, _thrift(value)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    if value < 0x80:
        return bytes([value])
    return bytes([value & 0x7F | 0x80]) + _varint(value >> 7)
