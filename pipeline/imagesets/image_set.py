"""Find and read sets of real images: a folder of image files, or Parquet with a column of them (as Hugging Face writes it).

`find` reads every byte once, for the hash, but only the heads of the images; a worker opens the set again and decodes the rows
that it needs. Images come as RGB: turned upright, transparency laid on white, 16 bits scaled to 8, the middle cut out.
"""

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.errors import UserError
from pipeline.fingerprint import not_hashed
from pipeline.formats.hashes import changed

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
SMALLEST = 8  # pixels of a side

# What Pillow raises for an image that is none, damaged, or too large to be meant.
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)

_DIGITS = 16  # hexadecimal, that recognise an image


@dataclass(frozen=True)
class ImageSet:
    """Images as they were found: what they are is hashed, where they lie is not. `find` makes one."""

    sha256: str  # over the names and contents of the images, in their order
    n: int
    path: str = not_hashed()  # folder or Parquet file on this machine
    digests: str = field(default="", repr=False, compare=False, metadata={"hashed": False})  # 16 digits an image

    def open(self) -> "OpenSet":
        """List the images again, to read them. Raises UserError where they are not as many as were found."""
        pieces = _pieces(Path(self.path))
        if (n := sum(len(piece) for piece in pieces)) != self.n:
            raise UserError(
                f"{self.path} held {self.n} images when it was first read and now {n}. Start the job again."
            )
        return OpenSet(self, pieces)


@dataclass(frozen=True)
class OpenSet:
    """The images of a set, listed; each is read when it is asked for."""

    images: ImageSet
    pieces: "Sequence[Piece]"

    def read(self, rows: range, height: int, width: int) -> tuple[list[str], np.ndarray]:
        """Names, and images (B, height, width, 3) uint8 RGB: the middle of each, as large as it goes, resized.

        Raises UserError for an image that cannot be decoded, or has changed since the set was found.
        """
        encoded = list(self._encoded(rows))
        images = [ImageOps.fit(_decoded(each), (width, height), Image.Resampling.LANCZOS) for each in encoded]
        return [each.name for each in encoded], np.stack([np.asarray(image) for image in images])

    def _encoded(self, rows: range) -> "Iterator[Encoded]":
        start = 0
        for piece in self.pieces:
            wanted = range(max(rows.start, start) - start, min(rows.stop, start + len(piece)) - start)
            if wanted:
                for i, each in zip(wanted, piece.read(wanted), strict=True):
                    self._check_unchanged(start + i, each)
                    yield each
            start += len(piece)

    def _check_unchanged(self, row: int, image: "Encoded") -> None:
        if image.digest[:_DIGITS] != self.images.digests[row * _DIGITS : (row + 1) * _DIGITS]:
            raise changed(image.where)


def find(path: str | Path) -> ImageSet:
    """Find the images of a folder, or of Parquet, and read what identifies them.

    A folder is searched with all that is below it, but for hidden files; images are in the order of their paths. In Parquet they
    are the column that is binary, or a struct with `bytes`; where there are several, the one named `image`.
    Raises UserError for a path that is missing or holds no images, and for images that are none, damaged or tiny.
    """
    root = Path(path)
    digests = [_checked(each).digest for piece in _pieces(root) for each in piece.read(range(len(piece)))]
    if not digests:
        raise UserError(f"{root} holds Parquet without a row. Give the images that directions are to be found in.")
    return ImageSet(
        sha256=hashlib.sha256("".join(digests).encode()).hexdigest(),
        n=len(digests),
        path=str(root.absolute()),
        digests="".join(digest[:_DIGITS] for digest in digests),
    )


# Where images lie


@dataclass(frozen=True)
class Encoded:
    """One image as it is stored."""

    name: str  # within its set
    where: str  # for people
    data: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of name and contents."""
        return hashlib.sha256(self.name.encode() + b"\0" + self.data).hexdigest()


@dataclass(frozen=True)
class ImageFile:
    """A file that holds one image."""

    path: Path
    name: str

    def __len__(self) -> int:
        return 1

    def read(self, rows: range) -> Iterator[Encoded]:
        try:
            yield Encoded(self.name, str(self.path), self.path.read_bytes())
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be read ({error.strerror}). Make it readable, or remove it."
            ) from error


@dataclass(frozen=True)
class RowGroup:
    """A row group of a Parquet file, with a column of images."""

    path: Path
    name: str  # of the file
    column: str
    group: int
    first: int  # its first row's number in the file
    length: int

    def __len__(self) -> int:
        return self.length

    def read(self, rows: range) -> Iterator[Encoded]:
        try:
            with pq.ParquetFile(self.path, page_checksum_verification=True) as file:
                table = file.read_row_group(self.group, columns=[self.column])
        except (OSError, pa.ArrowInvalid) as error:
            raise UserError(f"{self.path} cannot be read as Parquet ({error}). Copy it again.") from error
        for i, cell in enumerate(table[self.column].slice(rows.start, len(rows)).to_pylist(), self.first + rows.start):
            data = cell["bytes"] if isinstance(cell, dict) else cell
            if data is None:
                raise UserError(
                    f"{self.path}: row {i} of {self.column!r} has no bytes, at most a path elsewhere.\n"
                    "Write the images into the file: Dataset.to_parquet of Hugging Face datasets does so, or give their folder."
                )
            yield Encoded(f"{self.name}:{i}", f"{self.path} (row {i} of {self.column!r})", data)


Piece = ImageFile | RowGroup


def _pieces(root: Path) -> Sequence[Piece]:
    """What the set consists of, in order."""
    if root.is_file() and root.suffix.lower() == ".parquet":
        return _row_groups([root], root.parent)
    if not root.is_dir():
        found = "is a file" if root.exists() else "does not exist"
        raise UserError(f"{root} {found}; expected a folder of images ({', '.join(SUFFIXES)}) or a .parquet file.")

    files = _files_below(root)
    images = [path for path in files if path.suffix.lower() in SUFFIXES]
    tables = [path for path in files if path.suffix.lower() == ".parquet"]
    if images and tables:
        raise UserError(
            f"{root} holds {len(images)} image files and {len(tables)} Parquet files; expected one kind.\n"
            f"Name the folder or file that you mean, such as {tables[0]}."
        )
    if tables:
        return _row_groups(tables, root)
    if not images:
        raise UserError(
            f"{root} holds no images among its {len(files)} files; expected {', '.join(SUFFIXES)} or .parquet, in it or below it."
        )
    return [ImageFile(path, path.relative_to(root).as_posix()) for path in images]


def _files_below(root: Path) -> list[Path]:
    """The files that are not hidden, by their paths."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def _row_groups(paths: list[Path], root: Path) -> list[RowGroup]:
    """The row groups of those Parquet files that have a column of images."""
    groups: list[RowGroup] = []
    schemas = []
    for path in paths:
        try:
            with pq.ParquetFile(path) as file:
                lengths = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
                schemas.append(file.schema_arrow)
        except (OSError, pa.ArrowInvalid) as error:
            raise UserError(f"{path} cannot be read as Parquet ({error}). Copy it again.") from error
        if column := _image_column(schemas[-1], path):
            name = path.relative_to(root).as_posix()
            firsts = [sum(lengths[:i]) for i in range(len(lengths))]
            groups += [RowGroup(path, name, column, i, firsts[i], lengths[i]) for i in range(len(lengths))]
    if not any(_image_column(schema, path) for schema, path in zip(schemas, paths, strict=True)):
        raise UserError(
            f"{paths[0]} has no column of images; it has {', '.join(schemas[0].names) or 'no columns'}.\n"
            "Expected encoded images (PNG, JPEG ...): a binary column, or a struct with `bytes` as Hugging Face datasets write it."
        )
    return groups


def _image_column(schema: pa.Schema, path: Path) -> str | None:
    """The column of images: "image" where several could be."""
    could_be = [column.name for column in schema if _holds_images(column.type)]
    if len(could_be) > 1 and "image" not in could_be:
        raise UserError(
            f"{path} has {len(could_be)} columns that could hold images: {', '.join(could_be)}.\n"
            "Rename the one that you mean to `image`."
        )
    return "image" if "image" in could_be else (could_be or [None])[0]


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return "bytes" in kind.names and _holds_images(kind.field("bytes").type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


# One image


def _checked(encoded: Encoded) -> Encoded:
    """An image whose head can be read and is large enough. What is missing further on shows when it is decoded."""
    try:
        image = Image.open(io.BytesIO(encoded.data))
        if image.format == "PNG":
            image.verify()  # its checksums, which needs no decoding
    except _UNREADABLE as error:
        raise _unreadable(encoded, error) from error
    if min(image.size) < SMALLEST:
        raise UserError(
            f"{encoded.where} is {image.width} x {image.height} pixels; expected at least {SMALLEST} a side. Remove it."
        )
    return encoded


def _decoded(encoded: Encoded) -> Image.Image:
    """Upright RGB."""
    try:
        return _rgb(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded.data))))
    except _UNREADABLE as error:
        raise _unreadable(encoded, error) from error


def _unreadable(encoded: Encoded, error: Exception) -> UserError:
    said = "no image format that is known" if isinstance(error, UnidentifiedImageError) else error
    return UserError(f"{encoded.where} cannot be read as an image ({said}). Copy it again, or remove it.")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, which `convert` would clip to 255
        image = Image.fromarray((np.asarray(image, np.float64) / 257).round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
