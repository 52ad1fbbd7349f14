"""Labels in a table as an annotator: `table:FILE`. It knows images by their name or `sample_id`, and looks at none.

A row whose key is a name is of the image whose path in its set is the key, or ends with it after a slash, with or without the
ending of the file's name: `cat.jpg`, `cat` and `pets/cat.jpg` are all of pets/cat.jpg. Of those that are there the one with the
most folders is taken, and of two with as many the one with the ending. Only endings of images are: a row of Parquet has none.
"""

import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from pipeline.annotators.base import Lookup, Scorer
from pipeline.annotators.label_files import LabelTable, key_of, read
from pipeline.annotators.names import fit
from pipeline.errors import UserError
from pipeline.fingerprint import not_hashed
from pipeline.formats.hashes import changed
from pipeline.formats.images import SUFFIXES


@dataclass(frozen=True)
class Table:
    """Labels by name or number, as a person or another program gave them; not every image has one. `table` makes one."""

    name: str
    attributes: tuple[str, ...]
    binary: tuple[bool, ...]  # by attribute: whether it is 0 or 1 wherever it is labelled
    by: str  # file, or sample_id
    labels: str  # SHA-256 of keys and values, in whatever order the rows stand
    path: str = not_hashed()
    key: str | None = not_hashed(None)  # the column, where it is named
    rows: int = not_hashed(0)
    borders: tuple[float | None, ...] = not_hashed(())  # by attribute; they are hashed as `thresholds`
    notes: tuple[str, ...] = not_hashed(())

    @property
    def thresholds(self) -> tuple[float, ...]:
        """As the file says them, and between 0 and 1 where there is nothing else; NaN where no border is known."""
        return tuple(math.nan if each is None else each for each in self.borders)

    @property
    def describes(self) -> str:
        """What it labels, in a line."""
        return f"Labels of {self.rows:,} images by {self.by}, in {Path(self.path).name}."

    def load(self) -> Scorer:
        """Raise UserError: a table says nothing of images that it has no row of."""
        raise UserError(_blind(self.name))

    def check(self, height: int, width: int) -> None:
        """Raise UserError: whoever asks for images of a size wants some scored."""
        self.load()

    def lookup(self) -> Lookup:
        """Return the function from sample_id (B,) and names (B,) to labels (B, attributes), NaN where there are none."""
        table, row_of = self._read()

        def look_up(ids: Sequence[int], names: Sequence[str | None]) -> np.ndarray:
            found = [_row(row_of, each) for each in (ids if self.by == "sample_id" else names)]
            there = np.array([row is not None for row in found], bool)
            labels = np.full((len(found), len(self.attributes)), np.nan)
            labels[there] = table.values[[row for row in found if row is not None]]
            return labels

        return look_up

    def check_known(self, ids: Sequence[int], names: Sequence[str | None]) -> None:
        """Raise UserError where none of these images has a row, or two have the same. names: None of images made from noise."""
        table, row_of = self._read()
        if self.by == "file" and not any(names):
            raise UserError(
                f"{self.path} labels images by file name, and samples made from noise have none.\n"
                "Give labels by sample_id, or the `images` that these labels are of."
            )
        images = ids if self.by == "sample_id" else names
        found = [_row(row_of, each) for each in images]
        counts = Counter(row for row in found if row is not None)
        if not counts:
            raise UserError(
                f"{self.path} labels none of the {len(images):,} images: it has {_some(table.keys)}, and they are {_some(images)}."
            )
        row, times = counts.most_common(1)[0]
        if times > 1:
            alike = [each for each, of in zip(images, found, strict=True) if of == row]
            raise UserError(
                f"{self.path}: the row of {table.keys[row]!r} could be of {times:,} images, {_some(alike)}.\n"
                "Write the folders into the names, as they are in the set."
            )

    def _read(self) -> tuple[LabelTable, dict[str | int, int]]:
        table, row_of = _labels(self.path, self.key)
        if _digest(table) != self.labels:
            raise changed(self.path)
        return table, row_of


def table(path: str, name: str | None = None, key: str | None = None) -> Table:
    """The labels in a file, which label_files.py says how to read. key: the column that says which image a row is of.

    Raises UserError for a file that holds none.
    """
    found = read(path, key)
    return Table(
        name or fit(Path(path).stem, "table"),
        found.attributes,
        found.binary,
        found.by,
        _digest(found),
        str(Path(path).absolute()),
        key,
        len(found.keys),
        tuple(None if math.isnan(each) else each for each in found.thresholds),
        tuple(
            f"{Path(path).name}: the column {each!r} is no attribute: {why}." for each, why in found.left_out.items()
        ),
    )


@lru_cache(maxsize=2)
def _labels(path: str, key: str | None) -> tuple[LabelTable, dict[str | int, int]]:
    """The labels in a file, and the row of each key."""
    found = read(path, key)
    row_of: dict[str | int, int] = dict(zip(found.keys, range(len(found.keys)), strict=True))
    return found, row_of


def _digest(table: LabelTable) -> str:
    """The SHA-256 of labels, whatever order the rows stand in."""
    order = sorted(range(len(table.keys)), key=table.keys.__getitem__)
    hashed = hashlib.sha256("\0".join([table.by, *table.attributes, "", *(str(table.keys[i]) for i in order)]).encode())
    hashed.update(np.where(np.isnan(table.values), np.nan, table.values)[order].astype("<f8").tobytes())
    return hashed.hexdigest()


def _row(row_of: dict[str | int, int], image: str | int | None) -> int | None:
    """The row of an image; None where it has none."""
    keys = _keys(image) if isinstance(image, str) else () if image is None else (int(image),)
    return next((row_of[key] for key in keys if key in row_of), None)


def _keys(name: str) -> Iterator[str]:
    """What a table may call an image, with the most folders first."""
    parts = key_of(name).split("/")
    for start in range(len(parts)):
        yield key_of(end := "/".join(parts[start:]))
        without, suffix = os.path.splitext(end)
        if suffix.lower() in SUFFIXES:
            yield key_of(without)


def _some(images: Sequence[object]) -> str:
    shown = ", ".join(map(str, images[:3]))
    return f"{shown} ..." if len(images) > 3 else shown


def _blind(name: str) -> str:
    return (
        f"{name!r} labels images by their names, and looks at none: it cannot score others, such as edited ones.\n"
        "Name an annotator that does, for this."
    )
