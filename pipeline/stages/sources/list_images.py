"""ListImages: which images a set has and where each lies, listed once and kept as an index that is read in small pieces."""

import json
import os
import shutil
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.engine.stage import Stage
from pipeline.engine.store import Part, Store
from pipeline.fingerprint import not_hashed
from pipeline.formats.hashes import changed
from pipeline.formats.parquet import write_table
from pipeline.imagesets.encoded import Encoded
from pipeline.imagesets.image_set import FAIL_ABOVE
from pipeline.imagesets.kinds import Kind
from pipeline.imagesets.listing import Listing, Row, names, read
from pipeline.imagesets.tree import LeftOut
from pipeline.stages import reading
from schemas.image_index import INDEX
from schemas.left_out_files import LEFT_OUT_FILES

CHUNK = 2**16  # rows of the index in a file
_INDEX = "index-"  # what the names of these files begin with


@dataclass(frozen=True)
class ListImages(Stage):
    """`index-*.parquet`, `left_out.parquet`, and `chunks.json` with the number of the first image of each file of the index."""

    version: ClassVar[int] = 2

    sha256: str  # of the listing: names, sizes and times of change
    n: int  # images, whether they can be read or not; they are numbered from 0
    path: str = not_hashed()  # folder or file on this machine
    root: str = not_hashed()  # what its files' names begin at
    kind: Kind = not_hashed()
    spooled: str = not_hashed(
        ""
    )  # folder of this machine that has the files already, since the set was listed to be recognised

    def part_bytes(self) -> int:
        return 1_000 + 40 * self.n

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        if self.spooled and os.path.isdir(self.spooled):
            shutil.copytree(self.spooled, out, dirs_exist_ok=True)
            return
        listing = Listing(Path(self.path))
        write_listing(listing, out)
        if listing.sha256 != self.sha256:
            raise changed(self.path)

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        if not file.startswith(_INDEX):
            return None
        chunk, firsts = int(file.removeprefix(_INDEX).split(".")[0]), [*self._firsts(store), self.n]
        ends = np.cumsum([firsts[chunk], *read["images"].to_numpy()])
        if ends[-1] != firsts[chunk + 1]:
            return f"its rows end at image {ends[-1]:,}, and {firsts[chunk + 1]:,} is the first of what follows"
        return reading.unlike(read, first=ends[:-1])

    def _firsts(self, store: Store) -> list[int]:
        """The first image of each file of the index."""
        return json.loads(store.text(self, "chunks.json"))

    def encoded(self, images: range, store: Store) -> Iterator[Encoded]:
        """Read some images, in order; of the index no more is read than the rows of theirs."""
        for row, own in self._rows(images, store):
            yield from read(self.kind, Path(self.root), row, own)

    def names(self) -> Iterator[str]:
        """Yield the names of all images, in order, by the index where it was spooled; no image is read."""
        for file in sorted(Path(self.spooled).glob("index-*.parquet")):
            for found in pq.read_table(file, columns=[*Row._fields]).to_pylist():
                yield from names(self.kind, Path(self.root), _row(found))

    def picked(self, numbers: Iterable[int], store: Store) -> Iterator[tuple[int, Encoded]]:
        """Read single images, and yield each with its number, in order.

        What lies together is read once, from the first of them to the last: an image in a group of rows is only reached past those
        before it.
        """
        wanted = sorted(set(numbers))
        while wanted:
            [(row, own)] = self._rows(range(wanted[0], wanted[0] + 1), store)
            start = wanted[0] - own.start
            here = bisect_left(wanted, start + row.images)
            together, meant = range(wanted[0], wanted[here - 1] + 1), set(wanted[:here])
            within = range(together.start - start, together.stop - start)
            read_now = zip(together, read(self.kind, Path(self.root), row, within), strict=True)
            yield from ((number, each) for number, each in read_now if number in meant)
            wanted = wanted[here:]

    def _rows(self, images: range, store: Store) -> Iterator[tuple[Row, range]]:
        """The rows that hold some images, and which of a row's own are meant."""
        firsts = self._firsts(store)
        for chunk in range(bisect_right(firsts, images.start) - 1, len(firsts)):
            if firsts[chunk] >= images.stop:
                return
            table = reading.table(store, self, _file(chunk), 0)
            starts = table["first"].to_numpy()
            first, last = starts.searchsorted(images.start, "right") - 1, starts.searchsorted(images.stop, "left")
            first = max(first, 0)
            for found in table.slice(first, last - first).to_pylist():
                start, row = found.pop("first"), _row(found)
                own = range(max(images.start, start) - start, min(images.stop, start + row.images) - start)
                if own:
                    yield row, own


def listed(path: Path, spool: Path, fail_above: float = FAIL_ABOVE) -> tuple[ListImages, list[str]]:
    """List a set of images once, into an empty folder, and return the stage that has it, and what was found in sentences.

    Raises UserError for a path that is missing or no set, where there are no images, and where files that hold many images each and
    cannot be read have more than this share of all bytes.
    """
    listing = Listing(path.absolute())
    write_listing(listing, spool)
    listing.check_read(fail_above)
    assert listing.kind, "there are images"
    found = ListImages(listing.sha256, listing.n, str(listing.path), str(listing.root), listing.kind, str(spool))
    return found, listing.told


def write_listing(listing: Listing, out: Path) -> None:
    """List a set and write its index as it comes."""
    rows = listing.rows()
    firsts: list[int] = []
    at = 0
    while some := list(islice(rows, CHUNK)):
        write_table(out / _file(len(firsts)), _index(some, at))
        firsts.append(at)
        at += sum(row.images for row in some)
    (out / "chunks.json").write_text(json.dumps(firsts))
    write_table(out / "left_out.parquet", _left_out(listing.left_out))


def _file(chunk: int) -> str:
    return f"{_INDEX}{chunk:05d}.parquet"


def _row(found: dict[str, Any]) -> Row:
    return Row(**{**found, "file": os.fsdecode(found["file"])})


def _index(rows: list[Row], first: int) -> pa.Table:
    columns = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
    firsts = [first]
    for row in rows[:-1]:
        firsts.append(firsts[-1] + row.images)
    given = {**columns, "file": list(map(os.fsencode, columns["file"])), "first": firsts}
    return pa.table([pa.array(given[field.name], field.type) for field in INDEX], schema=INDEX)


def _left_out(found: Iterable[LeftOut]) -> pa.Table:
    return pa.Table.from_pylist([each._asdict() for each in found], schema=LEFT_OUT_FILES)
