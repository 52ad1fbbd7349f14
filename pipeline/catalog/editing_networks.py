"""The network that is edited: the U-Net of a pipeline, and as it is without `torch.compile`."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch
from torch import nn

from pipeline.errors import UserError

_lock = Lock()
_edited = 0  # how many compiled networks are edited now
_stance: Any = None  # what keeps them uncompiled


def unet_of(pipe: Any) -> nn.Module:
    """Return the U-Net of a pipeline, or the one that is given, without what compiles it. Raises UserError where there is none."""
    found = pipe if isinstance(pipe, nn.Module) else getattr(pipe, "unet", None)
    if not isinstance(found, nn.Module):
        raise UserError(
            f"{type(pipe).__name__} has no U-Net; expected a pipeline of diffusers with a `unet`, or a U-Net itself."
        )
    return getattr(found, "_orig_mod", found)  # that of torch.compile's OptimizedModule


@contextmanager
def uncompiled(network: nn.Module, pipe: Any = None) -> Iterator[None]:
    """Inside the block what is compiled runs uncompiled, where a network is: a graph that is there knows of no new hooks."""
    if not hasattr(getattr(pipe, "unet", pipe), "_orig_mod") and not is_compiled(network):
        yield
        return
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def is_compiled(network: nn.Module) -> bool:
    """Whether a network is compiled in place, or parts of it are."""
    return any(
        getattr(each, "_compiled_call_impl", None) is not None or hasattr(each, "_orig_mod")
        for each in network.modules()
    )


def _count(change: int) -> None:
    """One more, or one less. The stance is torch's for the whole process, so it lasts from the first to the last."""
    global _edited, _stance
    with _lock:
        _edited += change
        if _edited and _stance is None:
            _stance = torch.compiler.set_stance("force_eager")
            _stance.__enter__()
        elif not _edited and _stance is not None:
            _stance.__exit__(None, None, None)
            _stance = None
