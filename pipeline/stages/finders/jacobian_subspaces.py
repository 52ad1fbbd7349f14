"""JacobianSubspaces: what can change most in each of some samples, or in a region of them, at some steps (Sec. IV-B)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from pipeline.annotators.border import masker
from pipeline.annotators.regions import Mask, Masker, to_latents
from pipeline.engine.stage import Need, Resources, Stage, one
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.fingerprint import EXTENT, PART_BY_PART
from pipeline.formats.arrays import write_arrays
from pipeline.formats.images import decode
from pipeline.hspace.capture import singles
from pipeline.hspace.jacobian import Function, jacobian_subspace, masked
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.models.pretrained import LoadedModel
from pipeline.stages import reading
from pipeline.stages.sources.source import Source

PASSES = 24  # of the U-Net, about, that one singular vector takes as long as


@dataclass(frozen=True)
class JacobianSubspaces(Stage):
    """The k top right singular vectors of d eps_t / d h_t (6), inside a mask (9, 10) or everywhere. A part is a few samples.

    `subspaces.safetensors` of a part holds sample_id (n,), vectors (n, steps, k, C, H, W), singular_values and residuals (n, steps,
    k) and masks (n, H, W); all but sample_id are NaN for a sample that has no such region. The network runs in float32.
    """

    version: ClassVar[int] = 2

    sample: Source = field(metadata=PART_BY_PART)
    samples: tuple[int, ...] = field(metadata=EXTENT)  # sample_ids
    at: tuple[int, ...]  # steps, 0 the noisiest
    k: int
    mask: Mask | None = None  # None is the whole image
    tolerance: float = 1e-3  # of the residuals, relative to the largest singular value
    batch: int = 1  # samples in a part, computed together: more are faster on a GPU, and need as much more memory
    block: int | None = None  # vectors multiplied at once; fewer need less memory

    @property
    def extent(self) -> tuple[int, ...]:
        """The samples: a part has theirs in its name, and serves in any list of samples with the same parts."""
        return self.samples

    @property
    def region(self) -> str:
        """What the directions are named by."""
        return self.mask.name if self.mask else "image"

    @property
    def n_parts(self) -> int:
        return -(-len(self.samples) // self.batch)

    def ids(self, part: int) -> tuple[int, ...]:
        """The samples of a part."""
        return self.samples[part * self.batch : (part + 1) * self.batch]

    def part_name(self, part: int) -> str:
        return "-".join(map(str, self.ids(part)))

    def part_work(self) -> int:
        return self.batch * (self.sample.steps + PASSES * len(self.at) * self.k)

    def part_bytes(self) -> int:
        h = int(np.prod(self.sample.h_shape))
        return self.batch * len(self.at) * self.k * 4 * h

    def needs(self, part: int) -> Iterator[Need]:
        if self.mask:
            for held_by in sorted({self.sample.part_holding(i) for i in self.ids(part)}):
                yield one(self.sample, held_by)

    @property
    def resources(self) -> Resources:
        return Resources(gpus=1)

    def check(self) -> None:
        if not self.samples or self.batch < 1 or self.tolerance <= 0:
            raise UserError("Jacobians need at least one sample, a batch of at least 1 and a tolerance above 0.")
        if outside := [i for i in self.samples if not 0 <= i < self.sample.n]:
            raise UserError(f"There is no sample {outside[0]}: expected 0 to {self.sample.n - 1}. Take more samples.")
        if outside := [step for step in self.at if not 0 <= step < self.sample.steps]:
            raise UserError(f"There is no step {outside[0]}: expected 0 to {self.sample.steps - 1}, 0 the noisiest.")
        if not self.at or list(self.at) != sorted(set(self.at)) or len(set(self.samples)) < len(self.samples):
            raise UserError(f"Steps {self.at} of samples {self.samples}: expected each once, steps in ascending order.")
        if len(singles(self.sample.at)) > 1:
            raise UserError(
                f"A Jacobian is of h at one capture point, and {self.sample.at} are several: name one of them."
            )
        numbers = min(np.prod(self.sample.h_shape), np.prod(self.sample.model.x_shape))
        if not 1 <= self.k <= numbers or not 1 <= (self.block or 1) <= self.k:
            raise UserError(
                f"{self.k} directions in blocks of {self.block}: expected 1 to {numbers}, in blocks of fewer."
            )
        if self.mask:
            self.mask.check(*self.sample.model.image_shape[1:])

    def setup(self) -> tuple[LoadedModel, Masker | None]:
        return self.sample.model.load(self.sample.at), masker(self.mask) if self.mask else None

    def process(self, part: int, store: Store, loaded: tuple[LoadedModel, Masker | None], out: Path) -> None:
        model, masker = loaded
        ids = np.array(self.ids(part))
        masks = self._masks(store, masker, ids)
        there = ~np.isnan(masks).any(axis=(1, 2))

        shape = (len(ids), len(self.at), self.k)
        vectors = np.full((*shape, *self.sample.h_shape), np.nan, np.float32)
        values, residuals = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
        if there.any():
            vectors[there], values[there], residuals[there] = self._subspaces(model, ids[there], masks[there])
        arrays = {"vectors": vectors, "singular_values": values, "residuals": residuals}
        write_arrays(out / "subspaces.safetensors", {"sample_id": ids, "masks": masks, **arrays})

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        return reading.unlike(read, sample_id=self.ids(int(part)))

    def masks(self, store: Store) -> dict[int, np.ndarray]:
        """The mask (H, W) of each sample."""
        parts = [reading.arrays(store, self, "subspaces.safetensors", part) for part in range(self.n_parts)]
        return {int(i): mask for part in parts for i, mask in zip(part["sample_id"], part["masks"], strict=True)}

    def samples_with_region(self, store: Store) -> list[int]:
        """The samples that have the region."""
        return [i for i, mask in self.masks(store).items() if not np.isnan(mask).any()]

    def _masks(self, store: Store, masker: Masker | None, ids: np.ndarray) -> np.ndarray:
        """Return masks (n, H, W) float32 at the images' size."""
        if masker is None:
            return np.ones((len(ids), *self.sample.model.image_shape[1:]), np.float32)
        return masker(images_of(self.sample, ids, store))

    def _subspaces(self, model: LoadedModel, ids: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, ...]:
        """Vectors, singular values and residuals by sample and step; each step starts from the one before."""
        process, denoiser = self.sample.reverse_process, self.sample.denoiser(model, ids.tolist())
        M = to_latents(torch.from_numpy(masks), *self.sample.model.x_shape[1:]).to(denoiser.device)
        found = []
        vectors: Tensor | None = None
        for step, x_t in process.states(denoiser, self.sample.noise(model, ids.tolist())):
            if step in self.at:
                with denoiser.decoder(x_t, process.timesteps[step]) as (decoder, h):
                    subspace = jacobian_subspace(
                        masked(_eps(process, step, x_t, decoder), M),
                        h,
                        self.k,
                        block=self.block,
                        start=vectors,
                        tolerance=self.tolerance,
                    )
                vectors = subspace.Vt
                found.append([each.cpu().numpy() for each in (vectors, subspace.S, subspace.residuals)])
            if step == self.at[-1]:
                break
        return tuple(np.stack(each, axis=1) for each in zip(*found, strict=True))


def _eps(process: ReverseProcess, step: int, x_t: Tensor, decoder: Function) -> Function:
    """h_t -> eps_t at fixed x_t, whatever it is that the U-Net predicts."""
    return lambda h: process.predict(step, x_t, decoder(h))[1]


def images_of(source: Source, ids: np.ndarray, store: Store) -> np.ndarray:
    """Images (n, H, W, 3) uint8 of some samples, in the order of their ids."""
    seen: dict[int, np.ndarray] = {}
    for part in sorted({source.part_holding(int(i)) for i in ids}):
        table = reading.table(store, source, "samples.parquet", part)
        wanted = table.filter(np.isin(table["sample_id"].to_numpy(), ids))
        seen |= dict(zip(wanted["sample_id"].to_pylist(), decode(wanted), strict=True))
    return np.stack([seen[int(i)] for i in ids])
