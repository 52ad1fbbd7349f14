"""What a network offers: its capture points, and the shapes of h there, by a pass of a copy without weights."""

from collections.abc import Callable
from contextlib import ExitStack
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.hspace.capture import MID_BLOCK, canonical, changed, singles
from pipeline.hspace.inputs import empty_condition, is_conditional, n_classes


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
        hooks.enter_context(changed(copy, single, keep))

    try:
        _pass(unet, watch)
    except (TypeError, IndexError, KeyError, AttributeError) as error:
        raise UserError(f"{single} of {type(unet).__name__} gives no tensor that can be captured ({error}).") from error
    if len(passed) != 1:
        raise UserError(
            f"A pass of {type(unet).__name__} comes by {single} {len(passed) or 'no'} times; expected once.\n"
            "Choose a module that runs once a pass; `Model.points()` lists them."
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
