"""Editing: directions added to h of a diffusers U-Net, in whatever pipeline, sampler or loop it runs.

Two rules. Which vector: at every pass of the U-Net, h gets that of the catalog's timestep that is nearest to the timestep that the
U-Net is passed (the noisier of two as near), so that any scheduler, any number of steps and any order of passes will do. How far: a
standard deviation is as far as was measured by samplers of the same kind as the scheduler, deterministic or stochastic
(`pipeline.catalog.editing_strengths`).

These are hooks of plain torch, those by which the pipeline itself edits h (`pipeline.hspace.capture`), and not diffusers'
`ModelHook`: that one replaces a module's `forward`, where another library may have put its own. What a hook changes, a compiled
graph does not see: a network that `torch.compile` wraps is compiled once more, with hooks (`pipeline.catalog.editing_compiled`).

Shapes: B batch, K directions; h is (B, C, H, W) at most capture points.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.direction_edit import DirectionEdit
from pipeline.catalog.editing_additions import Addition, Timestep
from pipeline.catalog.editing_checks import check
from pipeline.catalog.editing_compiled import Passed, compiled, wrapper_of
from pipeline.catalog.editing_networks import is_compiled, uncompiled, unet_of
from pipeline.catalog.editing_strengths import multipliers
from pipeline.errors import UserError
from pipeline.hspace.capture import changed


@dataclass
class Editing:
    """An edit of one network: in a `with` block, or from `attach` to `remove`. Several may last at once; they add up."""

    catalog: DirectionCatalog
    pipe: Any  # a pipeline of diffusers, or a U-Net
    edit: DirectionEdit
    allow: frozenset[str] = frozenset()
    additions: dict[str, Addition] = field(init=False)  # by capture point
    _t: Timestep = field(default=None, init=False)  # of the pass, as it was passed
    _attached: ExitStack | None = field(default=None, init=False)
    _hooks: ExitStack = field(default_factory=ExitStack, init=False)

    def __post_init__(self) -> None:
        self.unet = unet_of(self.pipe)
        scheduler = getattr(self.pipe, "scheduler", None)
        check(self.catalog, self.edit, self.unet, scheduler, self.allow)
        self.additions = dict(_additions(self.catalog, self.edit, scheduler, "shape" in self.allow))

    def attach(self) -> "Editing":
        """Edit from now on, until `remove`. Raises UserError where the U-Net has no such capture point."""
        if self._attached is not None:
            raise UserError("This edit is attached already: remove it first, or make another one.")
        with ExitStack() as block:
            self._hook()
            block.callback(self._unhook)
            wrapper = wrapper_of(self.pipe)
            if wrapper is None or "shape" in self.allow or is_compiled(self.unet):
                block.enter_context(uncompiled(self.unet, self.pipe))
            else:
                block.enter_context(compiled(wrapper, self))
            self._attached = block.pop_all()
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

    # Of a network that stays compiled

    @property
    def points(self) -> tuple[str, ...]:
        return tuple(self.additions)

    def added(self, point: str, like: Tensor, passed: Passed) -> Tensor:
        """Return what a pass adds at a point, (B, ...), of the batch, the device and the precision of `like`."""
        self._passed(*passed)
        addition = self.additions[point]
        return self._added(addition, like.new_zeros(len(like), *addition.vectors.shape[2:]))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Inside the block its hooks are gone."""
        self._unhook()
        try:
            yield
        finally:
            self._hook()

    # Its hooks

    def _hook(self) -> None:
        with ExitStack() as hooks:
            hooks.enter_context(_before(self.unet, self._passed))
            for point, addition in self.additions.items():
                hooks.enter_context(changed(self.unet, point, partial(self._added, addition)))
            self._hooks = hooks.pop_all()

    def _unhook(self) -> None:
        self._hooks.close()

    def _passed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Keep the timestep that the U-Net is passed."""
        self._t = kwargs["timestep"] if "timestep" in kwargs else args[1] if len(args) > 1 else None
        if self._t is None:
            raise UserError(
                "The U-Net was called without a timestep, by which the vector is chosen. Pass it, second or by its name."
            )

    def _added(self, addition: Addition, h: Tensor) -> Tensor:
        if addition.is_one_for_all and not self.edit.only_conditional:
            return addition.to_all(h, self._t)
        return addition.to_each(h, self._t, self._a_sample(addition.strengths, len(h)))

    def _a_sample(self, strengths: Tensor, n: int) -> Tensor:
        """Strengths (K, B) of the rows of a batch of n, of which under guidance the second half has the condition."""
        guided = self._guided()
        samples = n // 2 if guided else n
        if strengths.shape[1] not in (1, samples):
            raise UserError(
                f"The edit has strengths of {strengths.shape[1]} samples, and the batch has {samples}: give one a sample, or one."
            )
        with_condition = strengths.expand(-1, samples)
        if not guided:
            return with_condition
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


def _additions(
    catalog: DirectionCatalog, edit: DirectionEdit, scheduler: Any, stretched: bool
) -> Iterator[tuple[str, Addition]]:
    """What is added, by capture point."""
    sampling = catalog.about.sampling
    if len(sampling.timesteps) != sampling.steps:
        raise UserError(
            f"catalog.json has {len(sampling.timesteps)} timesteps of {sampling.steps} steps. Copy the catalog again."
        )
    made_at = torch.tensor(sampling.timesteps, dtype=torch.float32)
    interval = None if edit.timesteps is None else (min(edit.timesteps), max(edit.timesteps))
    of_point: dict[str, dict[str, Tensor]] = {}
    for name in edit.strengths:
        for point, vector in catalog[name].vectors.items():
            of_point.setdefault(point, {})[name] = torch.from_numpy(vector)
    strengths = multipliers(catalog, edit, scheduler)
    for point, vectors in of_point.items():
        own = torch.stack([strengths[name] for name in vectors])
        how = {"interval": interval, "stretched": stretched}
        yield point, Addition.of(torch.stack(list(vectors.values())), own, made_at, tuple(vectors), **how)


@contextmanager
def _before(module: nn.Module, look: Callable[[tuple[Any, ...], dict[str, Any]], None]) -> Iterator[None]:
    """Inside the block a function sees what a module is given."""
    handle = module.register_forward_pre_hook(lambda _, args, kwargs: look(args, kwargs), with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
