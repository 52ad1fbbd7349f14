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
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.hspace.inputs import empty_condition, is_conditional, n_classes

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
    return ["".join(("_", word)) if word.isdecimal() else word for word in single.removesuffix(INPUT).split(".")]


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
            hooks.enter_context(_changed(network, single, partial(seen.pass_on, single)))
        yield seen


@contextmanager
def _changed(network: nn.Module, single: str, change: Change) -> Iterator[None]:
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
                "Choose a capture point that the model has; `points` of pipeline.models lists them."
            )
        found = inner[word]
    return found


# The network as a function of h


@contextmanager
def computed_once(network: nn.Module, single: str) -> Iterator[None]:
    """Inside the block what comes before a point computes in the first pass, and answers with the same from then on.

    What is done before h is there cannot depend on it: modules that have run, once, when the point is passed. What they are given
    later is not looked at. Their hooks run in every pass.
    """
    first = _FirstPass(network)
    with _changed(network, single, first.at_point), ExitStack() as patches:
        for module in network.modules():
            patches.callback(_forward_restored, module, module.__dict__.get("forward"))
            module.forward = first.answering(module, module.forward)
        yield


class _FirstPass:
    """The first pass of a network: what its modules gave before h was there, if they ran once."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.passed = self.over = False  # the point; the pass
        self.answers: dict[nn.Module, Any] = {}
        self.called: set[nn.Module] = set()

    def at_point(self, h: Tensor) -> Tensor:
        self.passed = True
        return h

    def answering(self, module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        """A module's forward that answers, after the first pass, with what it gave there."""

        def answer(*args: Any, **kwargs: Any) -> Any:
            if self.over:
                return self.answers[module] if module in self.answers else forward(*args, **kwargs)
            again = module in self.called
            self.called.add(module)
            output = forward(*args, **kwargs)
            for inner in (
                module.modules() if again or not self.passed else ()
            ):  # those inside a module will not be asked
                self.answers.pop(inner, None)
            if not (again or self.passed):
                self.answers[module] = output
            self.over = module is self.network
            return output

        return answer


def _forward_restored(module: nn.Module, own: Any) -> None:
    """The class's forward again, or the one that the module had of its own."""
    del module.forward
    if own is not None:
        module.forward = own


# Shapes


class Point(NamedTuple):
    """A capture point that a network offers."""

    name: str
    shape: tuple[int, ...]  # of h, without the batch

    @property
    def bytes(self) -> int:
        """Bytes of h of one sample at one step, float16 as it is stored."""
        return 2 * prod(self.shape)


def points(unet: nn.Module) -> list[Point]:
    """Return every module whose output can be captured, in the order of a pass; by a pass of a copy without weights."""
    made: dict[str, list[Tensor | None]] = {}

    def watch(copy: nn.Module, hooks: ExitStack) -> None:
        for name, module in copy.named_modules():
            if name:
                hook = lambda _, args, output, name=name: made.setdefault(name, []).append(_first(output))  # noqa: E731
                hooks.callback(module.register_forward_hook(hook).remove)

    _pass(unet, watch)
    once = {name: outputs[0] for name, outputs in made.items() if len(outputs) == 1}
    return [Point(name, tuple(h.shape[1:])) for name, h in once.items() if h is not None and h.ndim > 2]


def h_shape(unet: nn.Module, point: str = MID_BLOCK) -> tuple[int, ...]:
    """The shape of h at a point, (C, H, W) at most, and (D,) of several, by one pass of a copy without weights.

    Raises UserError for a point that the network has not, or does not pass once.
    """
    single = singles(canonical(point))
    found = [_shape(unet, each) for each in single]
    return found[0] if len(found) == 1 else (sum(map(prod, found)),)


def _shape(unet: nn.Module, single: str) -> tuple[int, ...]:
    passed: list[Tensor] = []

    def keep(h: Tensor) -> Tensor:
        passed.append(h)
        return h

    def watch(copy: nn.Module, hooks: ExitStack) -> None:
        hooks.enter_context(_changed(copy, single, keep))

    try:
        _pass(unet, watch)
    except (TypeError, IndexError, KeyError, AttributeError) as error:
        raise UserError(f"{single} of {type(unet).__name__} gives no tensor that can be captured ({error}).") from error
    if len(passed) != 1:
        raise UserError(
            f"A pass of {type(unet).__name__} comes by {single} {len(passed) or 'no'} times; expected once.\n"
            "Choose a module that runs once a pass; `points` of pipeline.models lists them."
        )
    return tuple(passed[0].shape[1:])


def output_shape(unet: nn.Module) -> torch.Size:
    """The shape (1, C, H, W) of the output, by one pass of a copy without weights."""
    return _pass(unet, lambda copy, hooks: None).shape


def _pass(unet: nn.Module, watch: Callable[[nn.Module, ExitStack], None]) -> Tensor:
    """The output of a copy without weights, which is watched."""
    config: Any = unet.config
    size = config["sample_size"]
    height, width = (size, size) if isinstance(size, int) else size
    with torch.device("meta"), torch.inference_mode(), ExitStack() as hooks:
        copy = type(unet).from_config(config).eval()  # type: ignore[attr-defined]
        given = {"encoder_hidden_states": empty_condition(copy)} if is_conditional(copy) else {}
        if n_classes(copy) is not None:
            given["class_labels"] = torch.zeros(1, dtype=torch.long)
        watch(copy, hooks)
        x_t = torch.zeros(1, config["in_channels"], height, width)
        return copy(x_t, torch.zeros(1, dtype=torch.long), **given).sample


def _first(output: Any) -> Tensor | None:
    """The first tensor of what a module gives."""
    match output:
        case Tensor():
            return output
        case (Tensor() as first, *_):
            return first
        case dict():
            return _first(next(iter(output.values()), None))
    return None
