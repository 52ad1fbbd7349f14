"""Editing: directions added to h of a diffusers U-Net, in whatever pipeline, sampler or loop it runs.

The one rule: at every pass of the U-Net, h gets the vector of the catalog's timestep that is nearest to the timestep that the
U-Net is passed (the noisier of two as near). So any scheduler, any number of steps and any order of passes will do.

These are hooks of plain torch, those by which the pipeline itself edits h (`pipeline.hspace.capture`), and not diffusers'
`ModelHook`: that one replaces a module's `forward`, where another library may have put its own. What a hook changes, a compiled
graph does not see; so networks under `torch.compile` run uncompiled while they are edited.

Shapes: B batch, K directions, T timesteps of the catalog; h is (B, C, H, W) at most capture points.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.direction_edit import DirectionEdit
from pipeline.catalog.editing_checks import check
from pipeline.catalog.editing_networks import uncompiled, unet_of
from pipeline.errors import UserError
from pipeline.hspace.capture import changed

Between = Literal["nearest", "linear"]


@dataclass
class Addition:
    """What is added to h at one capture point: K directions, each times its strengths, at the timestep of the pass."""

    vectors: Tensor  # (K, T, ...)
    strengths: Tensor  # (K, 1), or (K, B), one a sample
    made_at: Tensor  # (T,), the timesteps of the vectors, noisiest first
    names: tuple[str, ...]
    between: Between = "nearest"

    @classmethod
    def of(cls, vectors: Tensor, strengths: Tensor, made_at: Tensor, names: tuple[str, ...]) -> "Addition":
        """Directions whose strengths are the same for all samples are one, their sum."""
        if strengths.shape[1] == 1:
            vectors, strengths = torch.einsum("k,k...->...", strengths[:, 0], vectors)[None], torch.ones(1, 1)
        return cls(vectors, strengths, made_at, names)

    def at(self, t: Tensor, device: torch.device) -> Tensor:
        """The vectors (K, 1 or B, ...) at timesteps t (1,) or (B,)."""
        self._move(device)
        if self.between == "nearest":
            return self.vectors[:, (self.made_at - t[:, None]).abs().argmin(dim=1)]
        noisier = (self.made_at > t[:, None]).sum(dim=1)
        above, below = (noisier - 1).clamp(min=0), noisier.clamp(max=len(self.made_at) - 1)
        share = (self.made_at[above] - t) / (self.made_at[above] - self.made_at[below]).clamp(min=1e-6)
        return torch.lerp(self.vectors[:, above], self.vectors[:, below], _as_h(share, self.vectors.ndim - 1))

    def _move(self, device: torch.device) -> None:
        if self.vectors.device != device:
            self.vectors, self.strengths, self.made_at = (
                each.to(device) for each in (self.vectors, self.strengths, self.made_at)
            )


@dataclass
class Editing:
    """An edit of one network: in a `with` block, or from `attach` to `remove`. Several may last at once; they add up."""

    catalog: DirectionCatalog
    pipe: Any  # a pipeline of diffusers, or a U-Net
    edit: DirectionEdit
    allow: frozenset[str] = frozenset()
    additions: dict[str, Addition] = field(init=False)  # by capture point
    _t: Tensor | None = field(default=None, init=False)  # (1,) or (B,), of the pass
    _attached: ExitStack | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.unet = unet_of(self.pipe)
        check(self.catalog, self.edit, self.unet, getattr(self.pipe, "scheduler", None), self.allow)
        self.additions = dict(_additions(self.catalog, self.edit))

    def attach(self) -> "Editing":
        """Edit from now on, until `remove`. Raises UserError where the U-Net has no such capture point."""
        if self._attached is not None:
            raise UserError("This edit is attached already: remove it first, or make another one.")
        with ExitStack() as hooks:
            hooks.enter_context(uncompiled(self.unet, self.pipe))
            hooks.enter_context(_before(self.unet, self._passed))
            for point, addition in self.additions.items():
                hooks.enter_context(changed(self.unet, point, partial(self._added, addition)))
            self._attached = hooks.pop_all()
        return self

    def remove(self) -> None:
        """Edit no more. What is not attached is left alone."""
        attached, self._attached = self._attached, None
        if attached is not None:
            attached.close()

    def __enter__(self) -> "Editing":
        return self.attach()

    def __exit__(self, *raised: object) -> None:
        self.remove()

    def _passed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Keep the timestep that the U-Net is passed, where it lies: asking a GPU for a number would wait for it."""
        t = kwargs["timestep"] if "timestep" in kwargs else args[1] if len(args) > 1 else None
        if t is None:
            raise UserError(
                "The U-Net was called without a timestep, by which the vector is chosen. Pass it, second or by its name."
            )
        self._t = torch.as_tensor(t, dtype=torch.float32).flatten()

    def _added(self, addition: Addition, h: Tensor) -> Tensor:
        assert self._t is not None
        t = self._t.to(h.device)
        vectors = _fitting(addition.at(t, h.device), h, addition.names, "shape" in self.allow)
        strengths = self._a_sample(addition.strengths, len(h))
        if self.edit.timesteps is not None:
            low, high = sorted(self.edit.timesteps)
            strengths = strengths * ((t >= low) & (t <= high))
        return h + (_as_h(strengths, h.ndim + 1) * vectors).sum(dim=0).to(h.dtype)

    def _a_sample(self, strengths: Tensor, n: int) -> Tensor:
        """Strengths (K, 1 or B) of the rows of a batch of n, of which under guidance the second half has the condition."""
        if strengths.shape[1] == 1 and not self.edit.only_conditional:
            return strengths
        guided = self._guided()
        samples = n // 2 if guided else n
        if strengths.shape[1] not in (1, samples):
            raise UserError(
                f"The edit has strengths of {strengths.shape[1]} samples, and the batch has {samples}: give one a sample, or one."
            )
        if not guided:
            return strengths
        with_condition = strengths.expand(-1, samples)
        without = torch.zeros_like(with_condition) if self.edit.only_conditional else with_condition
        return torch.cat([without, with_condition], dim=1)

    def _guided(self) -> bool:
        if self.edit.guided is not None:
            return self.edit.guided
        guided = getattr(self.pipe, "do_classifier_free_guidance", None)
        if guided is None and self.edit.only_conditional:
            raise UserError(
                f"{type(self.pipe).__name__} does not say whether it guides, nor so which half of a batch has the condition.\n"
                "Say it: guided=True where a batch is the samples without their condition, and then the same with it."
            )
        return bool(guided)


def _additions(catalog: DirectionCatalog, edit: DirectionEdit) -> Iterator[tuple[str, Addition]]:
    """What is added, by capture point."""
    sampling = catalog.about.sampling
    if len(sampling.timesteps) != sampling.steps:
        raise UserError(
            f"catalog.json has {len(sampling.timesteps)} timesteps of {sampling.steps} steps. Copy the catalog again."
        )
    made_at = torch.tensor(sampling.timesteps, dtype=torch.float32)
    of_point: dict[str, dict[str, Tensor]] = {}
    for name in edit.strengths:
        for point, vector in catalog[name].vectors.items():
            of_point.setdefault(point, {})[name] = torch.from_numpy(vector)
    strengths = _strengths(catalog, edit)
    for point, vectors in of_point.items():
        own = torch.stack([strengths[name] for name in vectors])
        yield point, Addition.of(torch.stack(list(vectors.values())), own, made_at, tuple(vectors))


def _strengths(catalog: DirectionCatalog, edit: DirectionEdit) -> dict[str, Tensor]:
    """What each vector is multiplied by, all (1,) or all (B,)."""
    found = {name: torch.tensor(value, dtype=torch.float32).view(-1) for name, value in edit.strengths.items()}
    if edit.calibrated:
        found = {name: value * _per_sd(catalog, name) for name, value in found.items()}
    counts = {len(value) for value in found.values()} - {1}
    if len(counts) > 1:
        raise UserError(
            f"Directions have strengths of {' and '.join(map(str, sorted(counts)))} samples: give as many of each."
        )
    return {name: value.expand(max(counts, default=1)) for name, value in found.items()}


def _per_sd(catalog: DirectionCatalog, name: str) -> float:
    strength = catalog[name].strength_per_sd
    if strength is None:
        raise UserError(
            f"{name!r} has no strength per standard deviation: what was measured of it does not go that far.\n"
            "Give strengths of the vector itself, with calibrated=False; effects.parquet has what they do."
        )
    return strength


def _fitting(vectors: Tensor, h: Tensor, names: tuple[str, ...], stretched: bool) -> Tensor:
    """Vectors (K, 1 or B, ...) of the shape of h, stretched to another image size where that is allowed."""
    if vectors.shape[2:] == h.shape[1:]:
        return vectors
    if stretched and h.ndim == 4 and vectors.ndim == 5 and vectors.shape[2] == h.shape[1]:
        flat = nn.functional.interpolate(vectors.flatten(0, 1), h.shape[2:], mode="bilinear", align_corners=False)
        return flat.unflatten(0, vectors.shape[:2])
    raise UserError(
        f"{', '.join(map(repr, names))} of shape {tuple(vectors.shape[2:])} cannot be added to h of shape {tuple(h.shape[1:])}.\n"
        "Make images of the size that the catalog's are of; of as many channels, allow 'shape' to stretch the directions over h."
    )


def _as_h(values: Tensor, ndim: int) -> Tensor:
    """Values with as many axes as what they multiply."""
    return values.view(*values.shape, *(1,) * (ndim - values.ndim))


@contextmanager
def _before(module: nn.Module, look: Callable[[tuple[Any, ...], dict[str, Any]], None]) -> Iterator[None]:
    """Inside the block a function sees what a module is given."""
    handle = module.register_forward_pre_hook(lambda _, args, kwargs: look(args, kwargs), with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
