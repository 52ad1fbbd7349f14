"""Edits of h: functions (step, h) -> h, what the U-Net goes on with instead of its own h.

`Add`, `AddPerSample` and `Swap` are those that the method needs. Edits are applied one after another, so they add up.

Shapes: B batch, T steps, C H W bottleneck. Step 0 is the noisiest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pipeline.errors import UserError

Edit = Callable[[int, Tensor], Tensor]  # step, h (B, C, H, W) -> h (B, C, H, W)


@dataclass(frozen=True)
class Add:
    """gamma * v added to h: the paper's edit.

    v is (T, C, H, W), one vector a step, or (C, H, W), the same at every step. gamma is a number, or (B,), one a sample.
    `steps` are those at which it is added; None means all.
    """

    v: Tensor
    gamma: float | Tensor = 1.0
    steps: range | None = None

    def __call__(self, step: int, h: Tensor) -> Tensor:
        if self.steps is not None and step not in self.steps:
            return h
        if self.v.ndim == 4 and step >= len(self.v):
            raise UserError(
                f"The direction has {len(self.v)} steps, and the reverse process has come to its step {step + 1}.\n"
                "Bring it to these timesteps with `at_timesteps`, or use the T that it was made with."
            )
        v = self.v if self.v.ndim == 3 else self.v[step]
        if v.shape != h.shape[1:]:
            raise UserError(
                f"A direction of shape {tuple(v.shape)} cannot be added to h of shape {tuple(h.shape[1:])} (C, H, W).\n"
                "It was made with another model or capture point: use those that the catalog names."
            )
        gamma = torch.as_tensor(self.gamma, dtype=h.dtype, device=h.device).view(-1, 1, 1, 1)
        return h + gamma * v.to(h)


@dataclass(frozen=True)
class AddPerSample:
    """gamma * v of its own added to the h of each sample: edits by several directions and strengths in one batch.

    v is (K, T, C, H, W), gamma (B,), and row i of the batch gets the direction `which[i]`, 0 .. K-1.
    """

    v: Tensor
    which: Tensor
    gamma: Tensor

    def __call__(self, step: int, h: Tensor) -> Tensor:
        if step >= self.v.shape[1] or self.v.shape[2:] != h.shape[1:]:
            raise UserError(
                f"Directions of shape {tuple(self.v.shape[1:])} (T, C, H, W) cannot be added at step {step} to h of shape "
                f"{tuple(h.shape[1:])}.\nThey were made with another T, model or capture point: use those that they name."
            )
        gamma = self.gamma.to(h).view(-1, 1, 1, 1)
        return h + gamma * self.v[self.which, step].to(h)


@dataclass(frozen=True)
class Swap:
    """Row i of the batch gets the h of row `rows[i]` of the same pass.

    Fig. 2a swaps h_{T:1} between two samples: run the noise of samples (a, b, a, b) with rows (0, 1, 1, 0). The first two
    rows are the unedited samples, the last two have each other's h, and nothing is stored.
    """

    rows: Sequence[int]

    def __call__(self, step: int, h: Tensor) -> Tensor:
        return h[torch.as_tensor(self.rows, device=h.device)]


def in_turn(edits: Sequence[Edit]) -> Edit:
    """One edit that applies several, each to what the one before it left."""

    def edit(step: int, h: Tensor) -> Tensor:
        for one in edits:
            h = one(step, h)
        return h

    return edit


def at_timesteps(
    v: Tensor, made_at: Sequence[int], wanted: Sequence[int], how: Literal["nearest", "linear"] = "nearest"
) -> Tensor:
    """A direction (T, C, H, W) made at some timesteps, for a run at others: (len(wanted), C, H, W).

    "nearest" takes the vector of the nearest timestep (the noisier of two as near), "linear" interpolates between its
    neighbours and holds the ends. Both lists run from the noisiest timestep down, as a scheduler yields them.
    """
    if len(made_at) != len(v):
        raise UserError(f"The direction has {len(v)} steps and {len(made_at)} timesteps; expected as many.")
    given = torch.tensor(made_at, dtype=torch.float64)
    distance = (torch.tensor(wanted, dtype=torch.float64)[:, None] - given).abs()
    match how:
        case "nearest":
            return v[distance.argmin(dim=1)]
        case "linear":
            return torch.stack([_between(v, given, t) for t in wanted])
    raise UserError(f"{how!r} is no way to change timesteps; expected nearest or linear.")


def _between(v: Tensor, given: Tensor, t: int) -> Tensor:
    """v at timestep t, linearly between the two given timesteps around it."""
    later = int((given > t).sum())  # index of the first given timestep at or below t
    if later == 0 or later == len(given):
        return v[min(later, len(given) - 1)]
    share = float((given[later - 1] - t) / (given[later - 1] - given[later]))
    return torch.lerp(v[later - 1], v[later], share)
