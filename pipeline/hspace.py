"""h-space: read and edit the bottleneck of a U-Net, by hooks on the unmodified model.

An *edit* is a function (step, h) -> h: what the U-Net goes on with instead of its own h. `Add`, `AddEach`, `Take` and `Replay` are
those that the method needs, and edits are applied one after another, so directions add up.

Shapes: B batch, T steps, C H W bottleneck. Step 0 is the noisiest.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from pipeline.errors import UserError

Edit = Callable[[int, Tensor], Tensor]  # step, h (B, C, H, W) -> h (B, C, H, W)

CapturePoint = Literal["after", "before", "middle"]
"""Where h is read and edited: the mid block's output (the paper's), its input, or inside its last ResNet block, after
`norm2` and the time embedding."""


# Edits


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
class AddEach:
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
class Take:
    """Row i of the batch gets the h of row `rows[i]` of the same pass.

    Fig. 2a swaps h_{T:1} between two samples: run the noise of samples (a, b, a, b) with rows (0, 1, 1, 0). The first two
    rows are the unedited samples, the last two have each other's h, and nothing is stored.
    """

    rows: Sequence[int]

    def __call__(self, step: int, h: Tensor) -> Tensor:
        return h[torch.as_tensor(self.rows, device=h.device)]


@dataclass(frozen=True)
class Replay:
    """The h of a recorded run, (T, B, C, H, W), instead of the U-Net's own."""

    recorded: Tensor

    def __call__(self, step: int, h: Tensor) -> Tensor:
        return self.recorded[step].to(h).expand_as(h)


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


# Hooks


@dataclass
class Bottleneck:
    """What the hook sees: the h of the last pass, and what is to become of h in the next one."""

    h: Tensor | None = None  # (B, C, H, W), before the edit
    edit: Callable[[Tensor], Tensor] | None = None

    def pass_on(self, h: Tensor) -> Tensor:
        self.h = h
        return h if self.edit is None else self.edit(h)


@contextmanager
def bottleneck(unet: nn.Module, point: CapturePoint = "after") -> Iterator[Bottleneck]:
    """Open the h-space of a U-Net: inside the block every pass leaves its h, and goes on with `edit(h)` where one is set.

    The hooks are removed when the block ends, whatever happened in it. Raises UserError for a model without a mid block.
    """
    opened = Bottleneck()
    with ExitStack() as hooks:
        for handle in _hooks(_mid_block(unet), point, opened):
            hooks.callback(handle.remove)
        yield opened


def _hooks(mid_block: nn.Module, point: CapturePoint, opened: Bottleneck) -> list[Any]:
    match point:
        case "after":
            return [mid_block.register_forward_hook(lambda module, inputs, h: opened.pass_on(h))]
        case "before":
            return [
                mid_block.register_forward_pre_hook(lambda module, inputs: (opened.pass_on(inputs[0]), *inputs[1:]))
            ]
        case "middle":
            return _middle_hooks(mid_block, opened)
    raise UserError(f"{point!r} is no capture point; expected one of {', '.join(get_args(CapturePoint))}.")


def _middle_hooks(mid_block: nn.Module, opened: Bottleneck) -> list[Any]:
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
        return (opened.pass_on(inputs[0]), *inputs[1:])

    return [
        resnet.norm2.register_forward_hook(after_norm),
        resnet.nonlinearity.register_forward_pre_hook(before_activation),
    ]


def upstream(unet: nn.Module, point: CapturePoint = "after") -> list[nn.Module]:
    """The modules whose outputs do not depend on h: all that comes before it, the skip connections included."""
    mid_block: Any = _mid_block(unet)
    encoder = [getattr(unet, "conv_in", None), *getattr(unet, "down_blocks", ())]
    match point:
        case "after":
            inner = [mid_block]
        case "before":
            inner = []
        case _:
            last = mid_block.resnets[-1]
            attentions = [module for module in getattr(mid_block, "attentions", ()) if module is not None]
            inner = [*mid_block.resnets[:-1], *attentions, last.norm1, last.conv1, last.norm2]
    return [module for module in (*encoder, *inner) if module is not None]


@contextmanager
def computed_once(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Inside the block each of these modules computes at its first call, and answers with the same from then on.

    What they are given later is not looked at. Their hooks run at every call.
    """
    with ExitStack() as patches:
        for module in modules:
            patches.callback(_forward_restored, module, module.__dict__.get("forward"))
            module.forward = _once(module.forward)
        yield


def _once(forward: Callable[..., Any]) -> Callable[..., Any]:
    answers: list[Any] = []

    def once(*args: Any, **kwargs: Any) -> Any:
        if not answers:
            answers.append(forward(*args, **kwargs))
        return answers[0]

    return once


def _forward_restored(module: nn.Module, own: Any) -> None:
    """The class's forward again, or the one that the module had of its own."""
    del module.forward
    if own is not None:
        module.forward = own


def h_shape(unet: nn.Module, point: CapturePoint = "after") -> tuple[int, int, int]:
    """The shape (C, H, W) of h, by one pass of a copy without weights."""
    _mid_block(unet)
    config: Any = unet.config
    size = config["sample_size"]
    height, width = (size, size) if isinstance(size, int) else size
    with torch.device("meta"), torch.inference_mode():
        copy = type(unet).from_config(config)  # type: ignore[attr-defined]
        condition = {"encoder_hidden_states": empty_condition(copy)} if is_conditional(copy) else {}
        with bottleneck(copy, point) as opened:
            copy(torch.zeros(1, config["in_channels"], height, width), torch.zeros(1), **condition)
    assert opened.h is not None
    C, H, W = opened.h.shape[1:]
    return C, H, W


def is_conditional(unet: nn.Module) -> bool:
    """Whether the U-Net reads a condition by cross-attention, as diffusers' UNet2DConditionModel does."""
    return "cross_attention_dim" in unet.config  # type: ignore[operator]


def empty_condition(unet: nn.Module) -> Tensor:
    """One token of zeros, (1, 1, D): what a conditional U-Net is given where it is given nothing."""
    width: Any = unet.config["cross_attention_dim"]  # type: ignore[index]
    return torch.zeros(1, 1, width if isinstance(width, int) else width[-1])


def _mid_block(unet: nn.Module) -> nn.Module:
    mid_block = getattr(unet, "mid_block", None)
    if mid_block is None:
        raise UserError(
            f"{type(unet).__name__} has no mid block, so it has no h-space.\n"
            "Use a U-Net, such as diffusers' UNet2DModel; transformers have no bottleneck."
        )
    return mid_block
