"""Edit: apply every direction to held-out samples at several strengths.

A row is one image: (direction, strength, sample). Rows are sampled in full batches, whatever directions and strengths they have,
and a part is a few batches. The unedited samples come first, in parts of their own; where several edits are of the same ones,
`HeldOut` draws them once. A held-out sample has the same noise in every row, so an edited image and its unedited counterpart differ
by the edit alone.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import torch

from pipeline.batches import batches
from pipeline.engine.stage import Need, Resources, Stage, one, whole
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.formats.images import png
from pipeline.formats.parquet import write_table
from pipeline.hspace.capture import union
from pipeline.hspace.edits import AddPerSample
from pipeline.hspace.reverse_process import OnH
from pipeline.models.pretrained import LoadedModel
from pipeline.stages import reading
from pipeline.stages.finders.finder import names_of, read_directions, read_rows
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.sources.offsets import Offsets, offsets
from pipeline.stages.sources.sample_ids import HELD_OUT, MOST_HELD_OUT, SEEDS, drawn
from pipeline.stages.sources.source import Source
from schemas.edits import EDITS, UNEDITED
from schemas.samples import IMAGE

if TYPE_CHECKING:
    from pipeline.stages.measures.full_strengths import FullStrengths
    from pipeline.stages.measures.held_out import HeldOut

BATCHES = 2  # in a part
KEYS = {"direction": "name", "strength_index": "strength_index", "seed": "seed", "sample_id": "sample_id"}  # of a Row


class Row(NamedTuple):
    """One image to be sampled."""

    name: str  # of the direction, or "unedited"
    strength_index: int  # which of the strengths; UNEDITED
    strength: float
    seed: int
    sample_id: int


class Position(NamedTuple):
    """Which image of an evaluation that is."""

    name: str
    strength_index: int
    strength: float
    seed: int
    i: int  # which sample of the seed


@dataclass(frozen=True)
class Edit(Stage):
    """Edited samples: strength * v_t is added to h_t at every step."""

    version: ClassVar[int] = 2
    ids: ClassVar[range] = HELD_OUT

    sample: Source  # whose model, T and eta are used; its samples are not
    finders: tuple[Stage, ...]  # whose directions are applied; RandomDirections among them are the control
    strengths: tuple[float, ...]  # shares of each direction's full strength, where that was found
    n: int  # held-out samples of a seed
    seeds: int = 1  # draws of n held-out samples
    full: "FullStrengths | None" = None  # how far each direction is followed; None takes the strengths as they are
    drawn: "HeldOut | None" = None  # these samples and others, unedited; None draws them here

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The directions, in order."""
        return tuple(name for finder in self.finders for name in names_of(finder))

    @cached_property
    def random(self) -> frozenset[str]:
        """Those of the directions that are random."""
        return frozenset(
            name for finder in self.finders if isinstance(finder, RandomDirections) for name in finder.names
        )

    @property
    def samples_each(self) -> int:
        """Images of one direction at one strength."""
        return self.n * self.seeds

    @property
    def unedited_parts(self) -> range:
        """The parts that hold the unedited samples; those after them hold edits."""
        return range(-(-self.samples_each // self._part_rows))

    @property
    def _part_rows(self) -> int:
        return BATCHES * self.sample.batch

    @property
    def _edits(self) -> int:
        return len(self.names) * len(self.strengths) * self.samples_each

    @property
    def n_parts(self) -> int:
        return len(self.unedited_parts) - (-self._edits // self._part_rows)

    def needs(self, part: int) -> Iterator[Need]:
        if part in self.unedited_parts:
            yield from whole(*filter(None, [self.drawn]))
            return
        yield from whole(*filter(None, [self.full]))
        used = {place.name for place in self._places(part)}
        for finder in self.finders:
            if used & set(names_of(finder)):
                yield one(finder)

    def part_work(self) -> int:
        return self._part_rows * self.sample.steps

    def part_samples(self) -> int:
        return self._part_rows

    def part_bytes(self) -> int:
        return self._part_rows * int(np.prod(self.sample.model.image_shape))

    @property
    def resources(self) -> Resources:
        return Resources(gpus=1)

    def check(self) -> None:
        if self.n < 2:
            raise UserError(f"{self.n} held-out samples: expected at least 2.")
        if not 1 <= self.seeds <= SEEDS or self.n > MOST_HELD_OUT:
            raise UserError(
                f"{self.seeds} seeds of {self.n} held-out samples: expected 1 to {SEEDS} of at most {MOST_HELD_OUT}."
            )
        if twice := [name for name, count in Counter(self.names).items() if count > 1]:
            raise UserError(f"Two finders both make {', '.join(twice)}: give one of them.")
        if self.drawn and not self.drawn.covers(self):
            raise UserError(
                "The unedited samples are drawn of another source, or fewer of them: draw as many as are edited."
            )
        self._check_strengths()

    def _check_strengths(self) -> None:
        if not self.strengths or 0 in self.strengths:
            raise UserError("Strengths must be numbers other than 0, at least one; 0 is the unedited samples.")
        if len(set(self.strengths)) < len(self.strengths):
            raise UserError("Each strength is measured once: leave out those that are there twice.")

    def setup(self) -> LoadedModel:
        return self.sample.load()

    def process(self, part: int, store: Store, loaded: LoadedModel, out: Path) -> None:
        if self.drawn and part in self.unedited_parts:
            write_table(out / "edits.parquet", self.drawn.of(self._rows(part, store), store))
            return
        rows = self._rows(part, store)
        images = self._sample(loaded, rows, self._vectors(rows, store))
        table = pa.table(
            [
                [row.name for row in rows],
                [row.name in self.random for row in rows],
                np.array([row.strength_index for row in rows], np.int32),
                np.array([row.strength for row in rows], np.float32),
                np.array([row.seed for row in rows], np.int32),
                np.array([row.sample_id for row in rows]),
                pa.array([{"bytes": png(image), "path": None} for image in images], IMAGE),
            ],
            schema=EDITS,
        )
        write_table(out / "edits.parquet", table)

    def counterparts_of(self, part: int) -> list[int]:
        """The parts that hold the unedited counterparts of a part's rows."""
        return sorted({(place.seed * self.n + place.i) // self._part_rows for place in self._places(part)})

    def unedited(self, store: Store) -> pa.Table:
        """The unedited samples, in the order that every edit has them in."""
        return pa.concat_tables([reading.table(store, self, "edits.parquet", part) for part in self.unedited_parts])

    def edited(self, store: Store) -> Iterator[pa.Table]:
        """The images of each direction at each strength, in order: memory holds a part, and the rest of the one before."""
        rest = EDITS.empty_table()
        for part in range(len(self.unedited_parts), self.n_parts):
            rest = pa.concat_tables([rest, reading.table(store, self, "edits.parquet", part)])
            while len(rest) >= self.samples_each:
                edit, rest = rest.slice(0, self.samples_each), rest.slice(self.samples_each)
                yield edit

    def _places(self, part: int) -> Iterator[Position]:
        """What each row of a part is of."""
        unedited = part in self.unedited_parts
        names, strengths = (("unedited",), (0.0,)) if unedited else (self.names, self.strengths)
        first = (part if unedited else part - len(self.unedited_parts)) * self._part_rows
        last = min(first + self._part_rows, len(names) * len(strengths) * self.samples_each)
        for row in range(first, last):
            edit, place = divmod(row, self.samples_each)
            direction, index = divmod(edit, len(strengths))
            yield Position(names[direction], UNEDITED if unedited else index, strengths[index], *divmod(place, self.n))

    def _rows(self, part: int, store: Store) -> list[Row]:
        """What a part samples."""
        rows = self._shares(part, store)
        return rows if part in self.unedited_parts else self.followed(rows, store)

    def _shares(self, part: int, store: Store) -> list[Row]:
        """What a part samples, at shares of the full strengths where these were found."""
        return [
            Row(name, index, strength, seed, drawn(self.ids, seed, i))
            for name, index, strength, seed, i in self._places(part)
        ]

    @property
    def says_ids(self) -> tuple[Stage, ...]:
        """The stages that say which samples are edited, where no setting does."""
        return ()

    def keys(self, part: int, store: Store) -> dict[str, list[Any]]:
        """Which image each row of a part is of, by column."""
        rows = self._shares(part, store)
        return {key: [getattr(row, name) for row in rows] for key, name in KEYS.items()}

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        return reading.unlike(read, **self.keys(int(part), store))

    def followed(self, rows: list[Row], store: Store) -> list[Row]:
        """Rows whose strengths are shares, at these shares of the full strengths of their directions."""
        if self.full is None:
            return rows
        used = {row.name for row in rows}
        finders = tuple(finder for finder in self.finders if used & set(names_of(finder)))
        ends = self.full.ends(store, [row for row in read_rows(store, finders) if row["name"] in used])
        return [row._replace(strength=abs(row.strength) * ends[row.name][row.strength > 0]) for row in rows]

    def _vectors(self, rows: Sequence[Row], store: Store) -> dict[str, Offsets]:
        """The directions of these rows."""
        used = {row.name for row in rows}
        finders = tuple(finder for finder in self.finders if used & set(names_of(finder)))
        found, vectors = read_directions(store, finders)
        points = {row["name"]: row["capture"] for row in found}
        return {name: offsets(self.sample, vectors[name], points[name]) for name in self.names if name in used}

    def _sample(self, loaded: LoadedModel, rows: Sequence[Row], vectors: Mapping[str, Offsets]) -> np.ndarray:
        """Images (B, H, W, 3) uint8, in batches of the size that the samples were made in."""
        some = (rows[batch] for batch in batches(len(rows), self.sample.batch))
        return np.concatenate([sample_edited(self.sample, loaded, batch, vectors) for batch in some])


def sample_edited(
    source: Source,
    loaded: LoadedModel,
    rows: Sequence[Row],
    vectors: Mapping[str, Offsets | torch.Tensor],
    on_h: OnH | None = None,
) -> np.ndarray:
    """One batch of edited images (B, H, W, 3) uint8: a row without a vector is unedited.

    A vector (T, C, H, W) is added where the source has its h, `Offsets` where these say. h is that of the source's points.
    """
    ids = [row.sample_id for row in rows]
    added = {name: v if isinstance(v, dict) else {source.at: v} for name, v in vectors.items()}
    points = tuple(dict.fromkeys(point for row in rows for point in added.get(row.name, ())))
    denoiser = replace(source.denoiser(loaded, ids), point=union(points) if points and not on_h else source.at)
    edits = [_added(rows, added, point, denoiser.device) for point in points]
    return loaded.to_images(source.reverse_process.run(denoiser, source.noise(loaded, ids), edits, on_h))


def _added(rows: Sequence[Row], vectors: Mapping[str, Offsets], point: str, device: torch.device) -> AddPerSample:
    """What is added at one capture point."""
    names = list(dict.fromkeys(row.name for row in rows if point in vectors.get(row.name, ())))
    which = torch.tensor([names.index(row.name) if row.name in names else 0 for row in rows])
    gamma = torch.tensor([row.strength if row.name in names else 0.0 for row in rows])
    v = torch.stack([vectors[name][point] for name in names]).to(device)
    return AddPerSample(v, which.to(device), gamma, at=point)
