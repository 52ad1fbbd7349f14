"""What the reverse process draws: x_T and z_{T:1}, from one stream a sample.

Shapes: B batch.
"""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Noise(Protocol):
    """x_T and z_{T:1} of the samples of a batch, drawn (`NoiseStreams`) or found in real images (`inversion.Inverted`)."""

    def x_T(self) -> Tensor: ...

    def sigma_z(self, step: int, sigma: float) -> Tensor | None:
        """What Eq. 2 adds at a step, asked for once a step and in order; None adds nothing."""


class NoiseStreams:
    """x_T and z_{T:1} of each sample, from one stream that belongs to (seed, sample_id) alone.

    So a sample is the same in any batch, shard, or order of workers, and the noise of two samples never overlaps. Noise
    is drawn on the CPU, where the bits do not depend on the device; z_t is the same whatever eta is at other steps.
    """

    def __init__(self, seed: int, sample_ids: Sequence[int], shape: tuple[int, ...]):
        self.shape = shape
        self.streams = [torch.Generator().manual_seed(_stream_seed(seed, sample_id)) for sample_id in sample_ids]
        self.skipped = 0  # draws that steps with sigma = 0 did not need

    def next(self) -> Tensor:
        """Return x_T (B, *shape) at the first call, then z_T, z_{T-1}, ..."""
        noise = torch.empty(len(self.streams), *self.shape)
        for row, stream in zip(noise, self.streams, strict=True):
            torch.randn(self.shape, generator=stream, out=row)
        return noise

    def x_T(self) -> Tensor:
        return self.next()

    def sigma_z(self, step: int, sigma: float) -> Tensor | None:
        if sigma == 0:
            self.skipped += 1
            return None
        while self.skipped:
            self.next()
            self.skipped -= 1
        return sigma * self.next()


def _stream_seed(seed: int, sample_id: int) -> int:
    digest = hashlib.sha256(f"{seed}/{sample_id}".encode()).digest()
    return int.from_bytes(digest[:8], "little")
