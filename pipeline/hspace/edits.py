"""Edits of h: functions (step, h) -> h, what the U-Net goes on with instead of its own h.

`Add`, `AddPerSample` and `Swap` are those that the method needs. Edits are applied one after another, so they add up. Where a
denoiser is open at several capture points, `at` says which one an edit is of.

Shapes: B batch, T steps; h is (B, C, H, W) at most capture points. Step 0 is the noisiest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pipeline.errors import UserError

Edit = Callable[[int, Tensor], Tensor]  # step, h (B, ...) -> h (B, ...)


@dataclass(frozen=True)
class Add:
    """gamma * v added to h: the paper's edit.

    v is (T, C, H, W), one vector a step, or (C, H, W), the same at every step; or whatever other shape h has. gamma is a number, or
    (B,), one a sample. `steps` are those at which it is added; None means all.
    """

    v: Tensor
    gamma: float | Tensor = 1.0
    steps: range | None = None
    at: str | None = None

    def __call__(self, step: int, h: Tensor) -> Tensor:
        if self.steps is not None and step not in self.steps:
            return h
        by_step = self.v.ndim == h.ndim
        if by_step and step >= len(self.v):
            raise UserError(
                f"The direction has {len(self.v)} steps, and the reverse process has come to its step {step + 1}.\n"
                "Bring it to these timesteps with `at_timesteps`, or use the T that it was made with."
            )
        v = self.v[step] if by_step else self.v
        if v.shape != h.shape[1:]:
            raise UserError(
                f"A direction of shape {tuple(v.shape)} cannot be added to h of shape {tuple(h.shape[1:])}.\n"
                "It was made with another model or capture point: use those that the catalog names."
            )
        gamma = _a_sample(torch.as_tensor(self.gamma, dtype=h.dtype, device=h.device), h)
        return h + gamma * v.to(h)


@dataclass(frozen=True)
class AddPerSample:
    """gamma * v of its own added to the h of each sample: edits by several directions and strengths in one batch.

    v is (K, T, C, H, W), or whatever other shape h has, gamma (B,); row i of the batch gets the direction `which[i]`, 0 .. K-1.
    """

    v: Tensor
    which: Tensor
    gamma: Tensor
    at: str | None = None

    def __call__(self, step: int, h: Tensor) -> Tensor:
        if step >= self.v.shape[1] or self.v.shape[2:] != h.shape[1:]:
            raise UserError(
                f"Directions of shape {tuple(self.v.shape[1:])}, steps first, cannot be added at step {step} to h of shape "
                f"{tuple(h.shape[1:])}.\nThey were made with another T, model or capture point: use those that they name."
            )
        gamma = _a_sample(self.gamma.to(h), h)
        return h + gamma * self.v[self.which, step].to(h)


@dataclass(frozen=True)
class Swap:
    """Row i of the batch gets the h of row `rows[i]` of the same pass.

    Fig. 2a swaps h_{T:1} between two samples: run the noise of samples (a, b, a, b) with rows (0, 1, 1, 0). The first two
    rows are the unedited samples, the last two have each other's h, and nothing is stored.
    """

    rows: Sequence[int]
    at: str | None = None

    def __call__(self, step: int, h: Tensor) -> Tensor:
        return h[torch.as_tensor(self.rows, device=h.device)]


def _a_sample(gamma: Tensor, h: Tensor) -> Tensor:
    """Strengths, one or (B,), as they multiply with h (B, ...)."""
    return gamma.view(-1, *(1,) * (h.ndim - 1))


def by_point(edits: Sequence[Edit], points: tuple[str, ...]) -> dict[str, Edit]:
    """The edits of each point that a denoiser is open at. Raises UserError for one of another point, or that is to say which."""
    found: dict[str, list[Edit]] = {}
    for edit in edits:
        at = getattr(edit, "at", None)
        if at is None and len(points) > 1:
            raise UserError(f"An edit is to say at which of the points {', '.join(points)} it is: set its `at`.")
        if at is not None and at not in points:
            raise UserError(f"An edit is at {at}, and the denoiser is open at {', '.join(points)}: open it there, too.")
        found.setdefault(at or points[0], []).append(edit)
    return {point: in_turn(those) for point, those in found.items()}


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
