"""What an edit adds to h at one capture point: the vector of the timestep of the pass, times its strength.

Where all samples have one strength, directions are one, their sum. It is brought to the device and the precision of h once, and a
pass then looks a timestep up and adds. A timestep that lies on a GPU stays there: asking for its number would wait for all that
the GPU has still to do.

Shapes: B batch, K directions, T timesteps of the catalog; h is (B, C, H, W) at most capture points.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import UserError

Timestep = Any  # as pipelines pass it: a number, or a tensor, of one or one a sample


@dataclass
class Addition:
    """K directions at one capture point, each times its strengths, within an interval of timesteps."""

    vectors: Tensor  # (K, T, ...)
    strengths: Tensor  # (K, 1), or (K, B), one a sample
    made_at: Tensor  # (T,), the timesteps of the vectors, noisiest first
    names: tuple[str, ...]
    interval: tuple[float, float] | None = None  # both included
    stretched: bool = False  # over h of another size
    _steps: dict[float, int | None] = field(
        default_factory=dict, init=False
    )  # by timestep; None is outside the interval
    _ready: dict[tuple[Any, ...], tuple[Tensor, Tensor]] = field(default_factory=dict, init=False)  # by what h is

    @classmethod
    def of(cls, vectors: Tensor, strengths: Tensor, made_at: Tensor, names: tuple[str, ...], **how: Any) -> "Addition":
        """Directions whose strengths are the same for all samples are one, their sum."""
        if strengths.shape[1] == 1:
            vectors, strengths = torch.einsum("k,k...->...", strengths[:, 0], vectors)[None], torch.ones(1, 1)
        return cls(vectors, strengths, made_at, names, **how)

    @property
    def is_one_for_all(self) -> bool:
        return self.strengths.shape == (1, 1)

    def to_all(self, h: Tensor, t: Timestep) -> Tensor:
        """Return h with the one vector for all samples added."""
        vectors, made_at = self._as(h)
        if (number := _number(t)) is not None:
            step = self._step(number)
            return h if step is None else h + vectors[0, step]
        t = _timesteps(t, h)
        added = vectors[0, nearest(made_at, t)]  # (1 or B, ...)
        within = self._within(t)
        return h + (added if within is None else added * as_h(within, h.ndim).to(h.dtype))

    def to_each(self, h: Tensor, t: Timestep, strengths: Tensor) -> Tensor:
        """Return h with vectors added to each sample by its strengths (K, B)."""
        vectors, made_at = self._as(h)
        t, strengths = _timesteps(t, h), strengths.to(h.device)
        within = self._within(t)
        if within is not None:
            strengths = strengths * within
        added = as_h(strengths, h.ndim + 1).to(h.dtype) * vectors[:, nearest(made_at, t)]
        return h + added.sum(dim=0)

    def _step(self, t: float) -> int | None:
        """The place of the vector of a timestep; None outside the interval."""
        if t not in self._steps:
            inside = self.interval is None or self.interval[0] <= t <= self.interval[1]
            self._steps[t] = int(nearest(self.made_at, torch.tensor([t]))) if inside else None
        return self._steps[t]

    def _within(self, t: Tensor) -> Tensor | None:
        """Whether timesteps are in the interval; None where all are."""
        return None if self.interval is None else (t >= self.interval[0]) & (t <= self.interval[1])

    def _as(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors and their timesteps on the device of h, the vectors in its precision and its shape; made once."""
        what = (h.device, h.dtype, h.shape[1:])
        if what not in self._ready:
            with torch.inference_mode(False), torch.no_grad():
                vectors = self._fitting(h).to(h.device, h.dtype)
                self._ready = {what: (vectors, self.made_at.to(h.device))}  # of a network that moves, one is enough
        return self._ready[what]

    def _fitting(self, h: Tensor) -> Tensor:
        """The vectors, of the shape of h: stretched to another image size where that is allowed."""
        if self.vectors.shape[2:] == h.shape[1:]:
            return self.vectors
        if self.stretched and h.ndim == 4 and self.vectors.ndim == 5 and self.vectors.shape[2] == h.shape[1]:
            flat = self.vectors.flatten(0, 1)
            flat = nn.functional.interpolate(flat, h.shape[2:], mode="bilinear", align_corners=False)
            return flat.unflatten(0, self.vectors.shape[:2])
        raise UserError(
            f"{', '.join(map(repr, self.names))} of shape {tuple(self.vectors.shape[2:])} cannot be added to h of shape "
            f"{tuple(h.shape[1:])}.\nMake images of the size that the catalog's are of; of as many channels, allow 'shape' to "
            "stretch the directions over h."
        )


def nearest(made_at: Tensor, t: Tensor) -> Tensor:
    """Return for timesteps (n,) the place of the nearest of `made_at` (T,), the noisier of two as near: (n,)."""
    return (made_at - t[:, None]).abs().argmin(dim=1)


def as_h(values: Tensor, ndim: int) -> Tensor:
    """Return values with as many axes as what they multiply."""
    return values.view(*values.shape, *(1,) * (ndim - values.ndim))


def _number(t: Timestep) -> float | None:
    """A timestep that all samples have, where it is known here; None of several, and of one that lies on another device."""
    if isinstance(t, Tensor) and (t.device.type != "cpu" or t.numel() != 1):
        return None
    return float(t)


def _timesteps(t: Timestep, h: Tensor) -> Tensor:
    """Timesteps (1,) or (B,), where h is."""
    return torch.as_tensor(t, dtype=torch.float32).to(h.device).flatten()
