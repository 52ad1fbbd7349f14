"""An image's numbers are its own: what a plug says of it does not hang on chance, nor on the images beside it.

Two things make it so in practice: a network that was left in training mode (dropout draws, batch normalisation averages over the
batch), and pixels that are scaled by the batch that they come in. The first is seen before anything is scored; both are seen by the
first image that is, scored twice alone and once beside others.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from pipeline.errors import UserError

Numbers = Callable[[np.ndarray], np.ndarray]  # images (B, H, W, 3) uint8 -> (B, n)

# Share of the largest number by which an image's own may differ. float32 rounds to some 1e-5 of it, half precision and TF32 to some
# 1e-3; batch statistics and dropout change it by a tenth and more.
TOLERANCE = 0.05
_FLOOR = 1e-6  # below which a number is 0
_DEPTH = 5  # of functions in functions, objects in objects
_MOST = 100  # things of a list that are looked at


def own(numbers: Numbers, who: str, what: str = "scores") -> Numbers:
    """The same function without gradients. At its first call it is seen whether an image's numbers are its own.

    Raises UserError, which names `who`, then, with what was found.
    """
    seen = False

    def checked(images: np.ndarray) -> np.ndarray:
        nonlocal seen
        with _no_gradients():
            found = numbers(images)
            if not seen and len(images):
                check_own(numbers, images[:1], who, what)
                seen = True
            return found

    return checked


def check_own(numbers: Numbers, image: np.ndarray, who: str, what: str) -> None:
    """Raise UserError where an image (1, H, W, 3) gets other numbers when it comes again, or beside two that are made of it."""
    beside = np.concatenate([image, 255 - image, image[:, ::-1, ::-1]])
    alone, again, among = numbers(image), numbers(image), numbers(beside)
    largest = np.nanmax(np.abs(np.concatenate([alone, among])), axis=0, initial=0)
    for found, how in ((again[0], "when it was scored again"), (among[0], "beside two others")):
        with np.errstate(invalid="ignore"):
            other = np.abs(found - alone[0]) > TOLERANCE * largest + _FLOOR
        other |= np.isnan(found) != np.isnan(alone[0])
        if other.any():
            at = int(np.argmax(other))
            raise UserError(
                f"{who} does not give an image {what} of its own: number {at + 1} of {len(found)} was {alone[0, at]:.4g} alone and "
                f"{found[at]:.4g} {how}.\n"
                "Is a network in training mode (call .eval() where it is loaded), or are pixels scaled by the batch they come in?"
            )


def check_evaluates(function: Any, who: str) -> None:
    """Raise UserError for a network in training mode in what a plug has loaded, where that changes what it computes.

    It is looked for in what a function closes over and names, and in the fields of an object; what it calls is not looked at.
    """
    for network in networks(function):
        for module in network.modules():
            if module.training and _differs(module):
                raise UserError(
                    f"{who} has loaded a network in training mode: {type(module).__name__} in {type(network).__name__} computes "
                    "otherwise then, and scores hang on chance or on the images beside.\nCall .eval() on it where it is loaded."
                )


def networks(found: Any) -> list[Any]:
    """The torch modules that a function or an object has at hand."""
    torch: Any = sys.modules.get("torch")
    there: list[Any] = []
    seen: set[int] = set()
    layer = [found] if torch else []
    for _ in range(_DEPTH):
        beneath: list[Any] = []
        for each in layer:
            if isinstance(each, torch.nn.Module):
                there += [] if isinstance(each, torch.fx.GraphModule) else [each]  # what torch.export made has no modes
            elif id(each) not in seen:
                seen.add(id(each))
                beneath += _at_hand(each)
        layer = beneath
    return there


def _at_hand(found: Any) -> Iterator[Any]:
    if isinstance(found, partial):
        yield from (found.func, *found.args, *found.keywords.values())
    elif isinstance(found, MethodType):
        yield from (found.__self__, found.__func__)
    elif isinstance(found, FunctionType):
        yield from (cell.cell_contents for cell in found.__closure__ or () if _is_filled(cell))
        yield from (found.__globals__[name] for name in found.__code__.co_names if name in found.__globals__)
    elif isinstance(found, list | tuple):
        yield from found[:_MOST]
    elif isinstance(found, dict):
        yield from found.values()
    elif hasattr(found, "__dict__") and not isinstance(found, type | ModuleType):
        yield from vars(found).values()


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _differs(module: Any) -> bool:
    """Whether a module computes otherwise in training."""
    from torch.nn.modules.batchnorm import _BatchNorm

    draws = "drop" in type(module).__name__.lower() and getattr(module, "p", getattr(module, "drop_prob", 1)) != 0
    return draws or isinstance(module, _BatchNorm)


def _no_gradients() -> AbstractContextManager[Any]:
    """torch.no_grad() where torch is there at all; `torch.enable_grad()` inside of it brings gradients back."""
    torch = sys.modules.get("torch")
    return torch.no_grad() if torch else nullcontext()
