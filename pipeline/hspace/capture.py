"""Capture points: where h is read from a network, and passed on changed, by hooks on the unmodified model.

A capture point is text:

    mid_block               what the module of that name gives; this one's is the paper's h
    up_blocks.1:input       what a module is given
    middle                  inside the mid block's last ResNet block: after `norm2` and the time embedding
    mid_block+up_blocks.0   several at once: their h, flattened, one after the other

"after" and "before" are names for the mid block's output and input. Any module will do that runs once a pass; where it gives or is
given several tensors, h is the first of them, and the skip connections that a block gives beside it stay as they are.

Shapes: B batch, D numbers of several points together; h is (B, C, H, W) at most points, (B, tokens, C) at some.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import UserError

MID_BLOCK = "mid_block"
MIDDLE = "middle"
INPUT = ":input"
NAMES = {"after": MID_BLOCK, "before": MID_BLOCK + INPUT}  # other names of points

Change = Callable[[Tensor], Tensor]  # h -> what the network goes on with


def canonical(point: str) -> str:
    """Return the one name of a point, or of several. Raises UserError for what is none, or there twice."""
    singles = [NAMES.get(each, each).removesuffix(":output") for each in map(str.strip, point.split("+"))]
    if wrong := [each for each in singles if not all(map(str.isidentifier, _words(each)))]:
        raise UserError(
            f"{wrong[0]!r} is no capture point; expected the name of a module, such as {MID_BLOCK} or up_blocks.0.resnets.1, "
            f"or one with {INPUT} after it, or one of {', '.join((*NAMES, MIDDLE))}, or several with + between them."
        )
    if len(set(singles)) < len(singles):
        raise UserError(f"The capture point {point!r} names one place twice. Leave one of them out.")
    return "+".join(singles)


def _words(single: str) -> list[str]:
    """The words of a module's name, a number as a name, too."""
    return [f"_{word}" if word.isdecimal() else word for word in single.removesuffix(INPUT).split(".")]


def singles(point: str) -> tuple[str, ...]:
    """The points that a canonical name is of: one, or several at once."""
    return tuple(point.split("+"))


def union(points: tuple[str, ...]) -> str:
    """Return all of several canonical points at once, each once, in their order."""
    return "+".join(dict.fromkeys(each for point in points for each in singles(point)))


# Reading and editing


@dataclass
class Opened:
    """What the hooks see: h at each point in the last pass, and what is to become of it in the next one."""

    points: tuple[str, ...]
    seen: dict[str, Tensor] = field(default_factory=dict)  # before the edit
    edits: Mapping[str, Change] = field(default_factory=dict)

    @property
    def h(self) -> Tensor:
        """h (B, ...) of the last pass; of several points (B, D)."""
        if len(self.points) == 1:
            return self.seen[self.points[0]]
        return torch.cat([self.seen[point].flatten(1) for point in self.points], dim=1)

    def pass_on(self, point: str, h: Tensor) -> Tensor:
        self.seen[point] = h
        edit = self.edits.get(point)
        return h if edit is None else edit(h)


@contextmanager
def opened(network: nn.Module, point: str = MID_BLOCK) -> Iterator[Opened]:
    """Open a network at a capture point: inside the block every pass leaves its h, and goes on with what the edits make of it.

    The hooks are removed when the block ends, whatever happened in it. Raises UserError for a point that the network has not.
    """
    points = singles(canonical(point))
    seen = Opened(points)
    with ExitStack() as hooks:
        for single in points:
            hooks.enter_context(changed(network, single, partial(seen.pass_on, single)))
        yield seen


@contextmanager
def changed(network: nn.Module, single: str, change: Change) -> Iterator[None]:
    """Inside the block a pass goes on with what a function makes of h at one point."""
    with ExitStack() as hooks:
        for handle in _hooks(network, single, change):
            hooks.callback(handle.remove)
        yield


def _hooks(network: nn.Module, single: str, change: Change) -> list[Any]:
    if single == MIDDLE:
        return _middle_hooks(_module(network, MID_BLOCK), change)
    module = _module(network, single.removesuffix(INPUT))
    if single.endswith(INPUT):
        return [
            module.register_forward_pre_hook(lambda _, args, kwargs: _given(args, kwargs, change), with_kwargs=True)
        ]
    return [module.register_forward_hook(lambda _, args, output: _made(output, change))]


def _given(args: tuple[Any, ...], kwargs: dict[str, Any], change: Change) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a module is given, with its first tensor changed."""
    if args and isinstance(args[0], Tensor):
        return (change(args[0]), *args[1:]), kwargs
    names = [name for name, value in kwargs.items() if isinstance(value, Tensor)]
    name = "hidden_states" if "hidden_states" in names else names[0]
    return args, {**kwargs, name: change(kwargs[name])}


def _made(output: Any, change: Change) -> Any:
    """What a module gives, with its first tensor changed."""
    if isinstance(output, Tensor):
        return change(output)
    if isinstance(output, dict):  # diffusers' outputs are
        name = next(iter(output))
        return type(output)(**{**output, name: change(output[name])})
    return type(output)((change(output[0]), *output[1:]))


def _middle_hooks(mid_block: nn.Module, change: Change) -> list[Any]:
    """h is what enters the last ResNet block's second activation: `norm2`, then the time embedding where it scales and shifts.

    The block has one activation module for all its activations, so the call after `norm2` is the one that counts.
    """
    resnet: Any = mid_block.resnets[-1]  # type: ignore[index]
    normed = False

    def after_norm(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        nonlocal normed
        normed = True

    def before_activation(module: nn.Module, inputs: tuple) -> tuple | None:
        nonlocal normed
        if not normed:
            return None
        normed = False
        return (change(inputs[0]), *inputs[1:])

    return [
        resnet.norm2.register_forward_hook(after_norm),
        resnet.nonlinearity.register_forward_pre_hook(before_activation),
    ]


def _module(network: nn.Module, name: str) -> nn.Module:
    """A module by its name. Raises UserError where the network has none of it."""
    found: Any = network
    for i, word in enumerate(name.split(".")):
        inner = dict(found.named_children())
        if inner.get(word) is None:
            above = ".".join(name.split(".")[:i])
            if name == MID_BLOCK:
                raise UserError(
                    f"{type(network).__name__} has no mid block, so it has no h-space of the paper's kind.\n"
                    "Use a U-Net with one, such as diffusers' UNet2DModel, or name another capture point."
                )
            raise UserError(
                f"{type(network).__name__} has no module {name}: {above or 'at its top it'} has {', '.join(inner) or 'none'}.\n"
                "Choose a capture point that the model has; `Model.points()` lists them."
            )
        found = inner[word]
    return found
