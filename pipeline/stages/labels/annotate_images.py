"""AnnotateImages: score the images of a set, however many there are, while those that come next are decoded."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from pipeline.annotators.base import Annotator, Labels, check_size, full_batch, gpus_of
from pipeline.annotators.border import lookup, scorer
from pipeline.annotators.names import check_distinct
from pipeline.batches import ahead, batches
from pipeline.engine.stage import Need, Resources, Stage, one
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.fingerprint import not_hashed
from pipeline.formats.parquet import table_writer, write_table
from pipeline.imagesets.broken import Broken, check_share
from pipeline.imagesets.encoded import Encoded, Fitted
from pipeline.imagesets.image_set import FAIL_ABOVE, in_threads
from pipeline.stages import reading
from pipeline.stages.sources.list_images import ListImages
from schemas.annotations import ANNOTATIONS
from schemas.read_images import READ_IMAGES

PARTS, LARGEST = 256, 4096  # parts of a set, about, where none has more images than that
SIZE = 256  # pixels of a side
ROWS = 2**20  # of annotations that are in memory at once, with their names

Seen = tuple[int, str, Fitted | Broken]  # an image's number, its name, and what it is
Who = Sequence[
    tuple[int, str, float]
]  # of images: the number, the name, and how many of its pixels one that is seen is
Says = Callable[[np.ndarray, Who], np.ndarray]  # of images, and who they are -> scores


@dataclass(frozen=True)
class AnnotateImages(Stage):
    """`annotations.parquet`, whose sample_id is the number of the image in the set, and `images.parquet`: what was read.

    All images are brought to one size: the middle of each, as large as it goes, resized. A part is a range of images.
    """

    version: ClassVar[int] = 2
    unit: ClassVar[str] = "images"

    images: ListImages
    annotators: tuple[Annotator, ...]
    height: int = SIZE  # pixels, that annotators see
    width: int = SIZE
    batch: int = 32  # images that run through the networks together; rounding depends on it
    fail_above: float = not_hashed(FAIL_ABOVE)  # of all images: where more of them are broken, the rest is in vain

    @cached_property
    def part_size(self) -> int:
        """Images in a part: some batches."""
        return self.batch * max(1, min(LARGEST, math.ceil(self.images.n / PARTS)) // self.batch)

    @property
    def n_parts(self) -> int:
        return -(-self.images.n // self.part_size)

    @property
    def columns(self) -> list[tuple[str, str, float]]:
        """What is said of an image: annotator, attribute, threshold."""
        return [
            (each.name, attribute, threshold)
            for each in self.annotators
            for attribute, threshold in zip(each.attributes, each.thresholds, strict=True)
        ]

    def needs(self, part: int) -> Iterator[Need]:
        yield one(self.images)

    def part_work(self) -> int:
        return self.part_size

    def part_samples(self) -> int:
        return self.part_size

    def part_bytes(self) -> int:
        return 5_000 + self.part_size * (40 + 8 * len(self.columns))

    @property
    def resources(self) -> Resources:
        return Resources(gpus_of(*self.annotators))

    def check(self) -> None:
        if min(self.height, self.width, self.batch) < 1:
            raise UserError(
                f"Images of {self.height} x {self.width} in batches of {self.batch}: expected at least 1 of each."
            )
        check_distinct(*self.annotators)
        names = [each.name for each in self.annotators]
        if twice := [name for name in names if names.count(name) > 1]:
            raise UserError(f"{twice[0]!r} is named twice: once is enough.")
        _check_columns(self.columns)
        check_size(self.height, self.width, *(each for each in self.annotators if not isinstance(each, Labels)))
        for each in self.annotators:
            if getattr(each, "by", "file") == "sample_id":
                raise UserError(
                    f"{each.name!r} knows images by sample_id, and those of a set have names: give labels by name."
                )

    def setup(self) -> list[Says]:
        return [_says(each, self.batch) for each in self.annotators]

    def process(self, part: int, store: Store, annotators: list[Says], out: Path) -> None:
        rows: list[tuple[Seen, ...]] = []
        scores: list[np.ndarray] = []
        with warnings.catch_warnings(action="ignore"):  # of decoders, about images that they read all the same
            for seen, images in ahead(self._batches(self._seen(part, store)), 2):
                rows.append(seen)
                if len(images):
                    who = [(number, name, found.scale) for number, name, found in seen if isinstance(found, Fitted)]
                    scores.append(np.concatenate([says(images, who) for says in annotators], axis=1))
        seen_all = [each for some in rows for each in some]
        good = np.array([number for number, _, found in seen_all if isinstance(found, Fitted)], np.int64)
        with table_writer(out / "annotations.parquet", ANNOTATIONS) as file:
            for table in long_form(good, self.columns, np.concatenate(scores) if scores else _NO_SCORES):
                file.write_table(table)
        write_table(out / "images.parquet", _read_images(seen_all))

    def _seen(self, part: int, store: Store) -> Iterator[Seen]:
        numbers = self.numbers(part)

        def fit(numbered: tuple[int, Encoded]) -> Seen:
            number, image = numbered
            return number, image.name, image.seen(self.height, self.width)

        encoded = zip(numbers, self.images.encoded(numbers, store), strict=True)
        return in_threads(fit, encoded)

    def _batches(self, seen: Iterator[Seen]) -> Iterator[tuple[tuple[Seen, ...], np.ndarray]]:
        """What was seen, without pixels, and the images of a batch that can be read (b, height, width, 3)."""
        some: list[Seen] = []
        pixels: list[np.ndarray] = []
        for number, name, found in seen:
            if isinstance(found, Fitted):
                pixels.append(found.pixels)
                found = found._replace(pixels=_NONE)
            some.append((number, name, found))
            if len(pixels) == self.batch:
                yield tuple(some), np.stack(pixels)
                some, pixels = [], []
        yield tuple(some), np.stack(pixels) if pixels else _NONE

    def numbers(self, part: Part) -> range:
        """The numbers of the images of a part."""
        first = int(part) * self.part_size
        return range(first, min(self.images.n, first + self.part_size))

    def readable(self, store: Store, part: Part) -> np.ndarray:
        """The numbers of those that could be read, (n,)."""
        table = reading.table(store, self, "images.parquet", part, columns=["number", "kind"])
        return table["number"].filter(table["kind"].is_null()).to_numpy()

    def scores(self, store: Store, part: Part) -> np.ndarray:
        """What is said of those, (n, columns) float32, NaN where missing."""
        table = reading.table(store, self, "annotations.parquet", part, columns=["sample_id", "score"])
        return table["score"].to_numpy().reshape(-1, len(self.columns))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        if file == "images.parquet":
            return reading.unlike(read, number=self.numbers(part))
        return reading.unlike(read, sample_id=np.repeat(self.readable(store, part), len(self.columns)))

    def check_made(self, part: int, store: Store) -> None:
        """Raise UserError where more images are broken already than may be of all."""
        made = [self.part_name(part)] if self._broken else store.finished(self)  # at first, what another run has made
        for name in made:
            table = reading.table(store, self, "images.parquet", name, columns=["name", "kind", "reason"])
            self._broken[name] = [Broken(**row) for row in table.filter(table["kind"].is_valid()).to_pylist()]
        broken = [each for some in self._broken.values() for each in some]
        if broken:
            example = f"{broken[0].name} cannot be read as an image ({broken[0].kind}: {broken[0].reason})."
            check_share([each.kind for each in broken], self.images.n, self.fail_above, example)

    @cached_property
    def _broken(self) -> dict[str, list[Broken]]:
        """Of the parts that have been looked at, by name."""
        return {}


def _check_columns(columns: list[tuple[str, str, float]]) -> None:
    """Raise UserError where two columns would be called alike, as those of `a.b` with `c` and of `a` with `b.c`."""
    of: dict[str, str] = {}
    for annotator, attribute, _ in columns:
        other = of.setdefault(name := f"{annotator}.{attribute}", annotator)
        if other != annotator:
            raise UserError(
                f"{other!r} and {annotator!r} would both have the column {name}. Give one of them another name, as +name=another."
            )


def _says(annotator: Annotator, batch: int) -> Says:
    """What an annotator says of at most a batch of images: it looks at them, or looks them up by their names."""
    if isinstance(annotator, Labels):
        find = lookup(annotator)
        return lambda images, who: find([number for number, _, _ in who], [name for _, name, _ in who])
    score, missed = scorer(annotator), getattr(annotator, "missed", None)

    def says(images: np.ndarray, who: Who) -> np.ndarray:
        found = score(full_batch(images, batch))[: len(images)]
        if missed is None:
            return found
        return np.where(missed(found, np.array([scale for _, _, scale in who])), np.float32(np.nan), found)

    return says


_NONE, _NO_SCORES = np.empty((0, 0, 0, 3), np.uint8), np.empty((0, 0), np.float32)


def long_form(ids: np.ndarray, columns: list[tuple[str, str, float]], scores: np.ndarray) -> Iterator[pa.Table]:
    """Scores (n, columns) of images as schemas.annotations has them, image by image; NaN becomes null.

    Some images at a time, however many columns there are: a table of strings ends at 2 GB.
    """
    for some in batches(len(ids), max(1, ROWS // len(columns))):
        yield _long_form(ids[some], columns, scores[some])


def _long_form(ids: np.ndarray, columns: list[tuple[str, str, float]], scores: np.ndarray) -> pa.Table:
    which = np.tile(np.arange(len(columns), dtype=np.int32), len(ids))
    annotators, attributes = (
        pa.DictionaryArray.from_arrays(which, [each[i] for each in columns]).cast(pa.string()) for i in (0, 1)
    )
    score = pa.array(scores.astype(np.float32).ravel(), from_pandas=True)
    return pa.table([np.repeat(ids, len(columns)), annotators, attributes, score], schema=ANNOTATIONS)


def _read_images(seen: list[Seen]) -> pa.Table:
    rows = []
    for number, name, found in seen:
        row = {"number": number, "name": name}
        if isinstance(found, Broken):
            rows.append({**row, "kind": found.kind, "reason": found.reason})
        else:
            rows.append({**row, "format": found.format, "remarks": ", ".join(found.remarks)})
    return pa.Table.from_pylist(rows, schema=READ_IMAGES)
