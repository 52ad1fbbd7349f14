"""Edit: apply every direction to held-out samples at several strengths, and random directions of the same norms as the control.

Part 0 is the unedited samples; then a part a direction; then the controls. A held-out sample has the same noise in every part,
so an edited image and its unedited twin differ by the edit alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from pipeline.diffusion import NoiseStreams, ReverseProcess, to_uint8
from pipeline.errors import UserError
from pipeline.stage import Stage
from pipeline.stages.finder import names_of, read_directions
from pipeline.stages.sample import Sample, png
from pipeline.store import Store, write_table
from schemas.edits import EDITS
from schemas.samples import IMAGE

HELD_OUT = 1_000_000_000  # ids from here on are never sampled for fitting


@dataclass(frozen=True)
class Edit(Stage):
    """Edited samples: strength * v_t is added to h_t at every step."""

    sample: Sample  # whose model, T and eta are used; its samples are not
    finders: tuple[Stage, ...]  # whose directions are applied
    strengths: tuple[float, ...]
    n: int  # held-out samples
    controls: int = 3  # random directions, each with the median direction's norm at every step

    @property
    def names(self) -> tuple[str, ...]:
        """The directions, in the order of the parts 1, 2, ..."""
        return tuple(name for finder in self.finders for name in names_of(finder))

    @property
    def n_parts(self) -> int:
        return 1 + len(self.names) + self.controls

    def needs(self, part: int) -> Iterator[tuple[Stage, int]]:
        if part == 0:
            return
        first = 1
        for finder in self.finders:
            last = first + len(names_of(finder))
            if first <= part < last or part > len(self.names):
                yield finder, 0
            first = last

    def part_bytes(self) -> int:
        return self.n * len(self.strengths) * int(np.prod(self.sample.model.image_shape))

    def check(self) -> None:
        if self.n < 2:
            raise UserError(f"{self.n} held-out samples: expected at least 2.")
        if not self.strengths or 0 in self.strengths:
            raise UserError("Strengths must be numbers other than 0, at least one; 0 is the unedited samples.")

    def setup(self) -> torch.nn.Module:
        return self.sample.model.load()

    def process(self, part: int, store: Store, unet: torch.nn.Module, out: Path) -> None:
        name, vector = self._direction(part, store)
        strengths = np.array(self.strengths if part else (0.0,))
        ids = HELD_OUT + np.arange(self.n)

        edits = [(strength, sample_id) for strength in strengths for sample_id in ids]
        images = self._sample(unet, vector, [strength for strength, _ in edits], [int(i) for _, i in edits])
        table = pa.table(
            [
                [name] * len(edits),
                [part > len(self.names)] * len(edits),
                np.array([strength for strength, _ in edits], np.float32),
                np.array([sample_id for _, sample_id in edits]),
                pa.array([{"bytes": png(image), "path": None} for image in images], IMAGE),
            ],
            schema=EDITS,
        )
        write_table(out / "edits.parquet", table)

    def _direction(self, part: int, store: Store) -> tuple[str, np.ndarray]:
        """Name and vector (T, C, H, W) of a part: zeros, a finder's direction, or a random one."""
        shape = (self.sample.steps, *self.sample.model.h_shape())
        if part == 0:
            return "unedited", np.zeros(shape, np.float32)
        if part <= len(self.names):
            [finder] = {stage for stage, _ in self.needs(part)}
            name = self.names[part - 1]
            return name, store.vectors(finder)[name]
        index = part - len(self.names) - 1
        rows, _ = read_directions(store, self.finders)
        norms = np.median([row["norm_by_step"] for row in rows], axis=0)
        return f"control-{self.fingerprint[:6]}-{index}", random_direction(norms, shape, seed=index)

    def _sample(self, unet: torch.nn.Module, vector: np.ndarray, strengths: list[float], ids: list[int]) -> np.ndarray:
        """Edited images (B, H, W, 3) uint8, in batches of the size that the samples were made in."""
        process = ReverseProcess(self.sample.model.ddim(self.sample.clip), self.sample.steps, self.sample.eta)
        v = torch.from_numpy(vector)
        gamma = torch.tensor(strengths, dtype=torch.float32).view(-1, 1, 1, 1)
        images = []
        for start in range(0, len(ids), self.sample.batch):
            rows = slice(start, start + self.sample.batch)
            noise = NoiseStreams(self.sample.seed, ids[rows], self.sample.model.image_shape)

            def delta_h(step: int, gamma: Tensor = gamma[rows]) -> Tensor:
                return gamma * v[step]

            images.append(to_uint8(process.run(unet, noise, delta_h)).cpu().numpy())
        return np.concatenate(images)


def random_direction(norm_by_step: np.ndarray, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """A Gaussian direction (T, C, H, W), drawn for each step on its own, with these norms."""
    v = np.random.default_rng(seed).standard_normal(shape)
    norms = np.linalg.norm(v.reshape(len(v), -1), axis=1)
    return (v * (norm_by_step / norms)[:, None, None, None]).astype(np.float32)
