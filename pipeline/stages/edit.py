"""Edit: apply every direction to held-out samples at several strengths.

Part 0 is the unedited samples; then a part a direction. A held-out sample has the same noise in every part, so an edited image
and its unedited twin differ by the edit alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from pipeline.errors import UserError
from pipeline.hspace import Add
from pipeline.models import LoadedModel
from pipeline.stage import Stage
from pipeline.stages.finder import names_of, read_directions
from pipeline.stages.random_directions import RandomDirections
from pipeline.stages.source import Source, png
from pipeline.store import Store, write_table
from schemas.edits import EDITS
from schemas.samples import IMAGE

HELD_OUT = 1_000_000_000  # ids from here on are never sampled for fitting


@dataclass(frozen=True)
class Edit(Stage):
    """Edited samples: strength * v_t is added to h_t at every step."""

    sample: Source  # whose model, T and eta are used; its samples are not
    finders: tuple[Stage, ...]  # whose directions are applied; RandomDirections among them are the control
    strengths: tuple[float, ...]
    n: int  # held-out samples

    @property
    def names(self) -> tuple[str, ...]:
        """The directions, in the order of the parts 1, 2, ..."""
        return tuple(name for finder in self.finders for name in names_of(finder))

    @property
    def controls(self) -> int:
        """How many of the directions are random."""
        return sum(len(names_of(finder)) for finder in self.finders if isinstance(finder, RandomDirections))

    @property
    def n_parts(self) -> int:
        return 1 + len(self.names)

    def needs(self, part: int) -> Iterator[tuple[Stage, int]]:
        if part > 0:
            yield self._finder(part), 0

    def part_bytes(self) -> int:
        return self.n * len(self.strengths) * int(np.prod(self.sample.model.image_shape))

    def check(self) -> None:
        if self.n < 2:
            raise UserError(f"{self.n} held-out samples: expected at least 2.")
        if not self.strengths or 0 in self.strengths:
            raise UserError("Strengths must be numbers other than 0, at least one; 0 is the unedited samples.")

    def setup(self) -> LoadedModel:
        return self.sample.load()

    def process(self, part: int, store: Store, loaded: LoadedModel, out: Path) -> None:
        strengths = np.array(self.strengths if part else (0.0,))
        edits = [(strength, sample_id) for strength in strengths for sample_id in self._ids(part, store)]

        v = self._vector(part, store)
        images = self._sample(loaded, v, [strength for strength, _ in edits], [i for _, i in edits])
        table = pa.table(
            [
                [self.names[part - 1] if part else "unedited"] * len(edits),
                [part > 0 and isinstance(self._finder(part), RandomDirections)] * len(edits),
                np.array([strength for strength, _ in edits], np.float32),
                np.array([sample_id for _, sample_id in edits]),
                pa.array([{"bytes": png(image), "path": None} for image in images], IMAGE),
            ],
            schema=EDITS,
        )
        write_table(out / "edits.parquet", table)

    def _ids(self, part: int, store: Store) -> Sequence[int]:
        """The samples that a part edits."""
        return range(HELD_OUT, HELD_OUT + self.n)

    def _finder(self, part: int) -> Stage:
        """Whose direction a part applies."""
        return [finder for finder in self.finders for _ in names_of(finder)][part - 1]

    def _vector(self, part: int, store: Store) -> torch.Tensor | None:
        """The direction (T, C, H, W) of a part; None for the unedited samples."""
        if part == 0:
            return None
        return torch.from_numpy(store.vectors(self._finder(part))[self.names[part - 1]])

    def _sample(
        self, loaded: LoadedModel, v: torch.Tensor | None, strengths: list[float], ids: list[int]
    ) -> np.ndarray:
        """Edited images (B, H, W, 3) uint8, in batches of the size that the samples were made in."""
        gamma = torch.tensor(strengths, dtype=torch.float32)
        process = self.sample.reverse_process
        images = []
        for start in range(0, len(ids), self.sample.batch):
            rows = slice(start, start + self.sample.batch)
            noise = self.sample.noise(loaded, ids[rows])
            edits = [] if v is None else [Add(v, gamma[rows])]
            images.append(loaded.to_images(process.run(loaded.denoiser, noise, edits)))
        return np.concatenate(images)


@dataclass(frozen=True)
class EditOrigins(Edit):
    """Edits of the very sample that each direction was found on, by a singular vector of its Jacobian.

    Part 0 has all those samples, unedited.
    """

    sample: Source  # that the directions were found in
    n: int = 1

    def needs(self, part: int) -> Iterator[tuple[Stage, int]]:
        for finder in self.finders if part == 0 else (self._finder(part),):
            yield finder, 0

    def check(self) -> None:
        if self.n != 1 or not self.strengths or 0 in self.strengths:
            raise UserError("A direction has one sample of its own, and is added at strengths other than 0.")

    def _ids(self, part: int, store: Store) -> Sequence[int]:
        wanted = self.names[part - 1 : part] if part else self.names
        finders = self.finders if part == 0 else (self._finder(part),)
        rows, _ = read_directions(store, finders)
        found_on = {row["name"]: row["sample_id"] for row in rows}
        if lost := [name for name in wanted if found_on[name] is None]:
            raise UserError(f"{lost[0]} was found on no sample of its own: leave its finder out.")
        return sorted({found_on[name] for name in wanted})
