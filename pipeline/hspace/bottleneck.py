"""The bottleneck of a U-Net: h read, and passed on changed, by hooks on the unmodified model.

Shapes: B batch, C H W bottleneck.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from pipeline.errors import UserError

CapturePoint = Literal["after", "before", "middle"]
"""Where h is read and edited: the mid block's output (the paper's), its input, or inside its last ResNet block, after
`norm2` and the time embedding."""


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
    C, H, W = shapes(unet, point)[0][1:]
    return C, H, W


def shapes(unet: nn.Module, point: CapturePoint = "after") -> tuple[torch.Size, torch.Size]:
    """The shapes (1, C, H, W) of h and of the output, by one pass of a copy without weights."""
    _mid_block(unet)
    config: Any = unet.config
    size = config["sample_size"]
    height, width = (size, size) if isinstance(size, int) else size
    with torch.device("meta"), torch.inference_mode():
        copy = type(unet).from_config(config).eval()  # type: ignore[attr-defined]
        given = {"encoder_hidden_states": empty_condition(copy)} if is_conditional(copy) else {}
        if n_classes(copy) is not None:
            given["class_labels"] = torch.zeros(1, dtype=torch.long)
        with bottleneck(copy, point) as opened:
            output = copy(
                torch.zeros(1, config["in_channels"], height, width), torch.zeros(1, dtype=torch.long), **given
            )
    assert opened.h is not None
    return opened.h.shape, output.sample.shape


def is_conditional(unet: nn.Module) -> bool:
    """Whether the U-Net reads a condition by cross-attention, as diffusers' UNet2DConditionModel does."""
    return "cross_attention_dim" in unet.config  # type: ignore[operator]


def n_classes(unet: nn.Module) -> int | None:
    """How many classes the U-Net knows; None for one that is told no class."""
    return unet.config.get("num_class_embeds")  # type: ignore[operator, union-attr]


def empty_condition(unet: nn.Module) -> Tensor:
    """One token of zeros, (1, 1, D): what a conditional U-Net is given where it is given nothing."""
    config: Any = unet.config
    width = config.get("encoder_hid_dim") or config["cross_attention_dim"]
    return torch.zeros(1, 1, width if isinstance(width, int) else width[-1])


def _mid_block(unet: nn.Module) -> nn.Module:
    mid_block = getattr(unet, "mid_block", None)
    if mid_block is None:
        raise UserError(
            f"{type(unet).__name__} has no mid block, so it has no h-space.\n"
            "Use a U-Net, such as diffusers' UNet2DModel; transformers have no bottleneck."
        )
    return mid_block
