"""Edits of a network that `torch.compile` wraps, which stays compiled.

A graph that is there knows of no new hooks, and one that is made with hooks has them for good. So inside the block the wrapper
calls a function of its own, which is compiled as the network was, once for a network and the capture points of an edit, with hooks
that add whatever tensor lies ready for their point. What lies ready is made before each pass, outside of the graph: directions,
strengths and timesteps may change without anything being compiled again. Each function has a code object of its own, since torch
keeps graphs by code and does not look whether a module's hooks have changed.

What `torch.compile(network)` gives is a wrapper. A network that is compiled in place, or in parts, has none, and of an edit that is
stretched the shape of h is not known before the pass: these run uncompiled (`editing_networks.uncompiled`).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from types import FunctionType
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from pipeline.hspace.capture import changed

Passed = tuple[tuple[Any, ...], dict[str, Any]]

_ready: dict[str, Tensor] = {}  # what is added in this pass, by a key of the network and the capture point
_numbers = count()
_wrapped: "WeakKeyDictionary[nn.Module, Wrapped]" = WeakKeyDictionary()


class Edits(Protocol):
    """What is added at some capture points."""

    @property
    def points(self) -> tuple[str, ...]: ...

    def added(self, point: str, like: Tensor, passed: Passed) -> Tensor:
        """Return what a pass adds at a point, to h of a batch, a device and a precision like this one's: (B, ...)."""
        ...

    def paused(self) -> Any:
        """Return a block in which hooks of its own are gone."""
        ...


def wrapper_of(pipe: Any) -> nn.Module | None:
    """Return what `torch.compile` made of the U-Net of a pipeline, or of the one that is given; None where it made no wrapper."""
    around = pipe if isinstance(pipe, nn.Module) else getattr(pipe, "unet", None)
    return around if hasattr(around, "_orig_mod") and hasattr(around, "dynamo_ctx") else None


@contextmanager
def compiled(wrapper: nn.Module, edits: Edits) -> Iterator[None]:
    """Inside the block the passes of a wrapped network are edited, and compiled. Blocks of one network may overlap."""
    wrapped = _wrapped.setdefault(wrapper, Wrapped())
    wrapped.begin(wrapper, edits)
    try:
        yield
    finally:
        wrapped.end(wrapper, edits)


class Wrapped:
    """The edits of one wrapper that last now, and the functions that were compiled for it."""

    def __init__(self) -> None:
        self.edits: list[Edits] = []
        self.functions: dict[tuple[str, ...], Callable[..., Any]] = {}
        self.key = f"network {next(_numbers)}"
        self.forward: Callable[..., Any] | None = None  # the wrapper's own

    def begin(self, wrapper: nn.Module, edits: Edits) -> None:
        if not self.edits:
            self.forward = wrapper.forward
        self.edits.append(edits)
        wrapper.forward = partial(self._passed, wrapper)

    def end(self, wrapper: nn.Module, edits: Edits) -> None:
        self.edits = [each for each in self.edits if each is not edits]
        if not self.edits:
            assert self.forward is not None
            wrapper.forward, self.forward = self.forward, None

    def _passed(self, wrapper: Any, *args: Any, **kwargs: Any) -> Any:
        """One pass: what is added is made ready, and the network runs with hooks that add it, and with no others of these edits."""
        points = tuple(sorted({point for each in self.edits for point in each.points}))
        sample = args[0] if args else kwargs["sample"]
        with ExitStack() as hooks:
            for each in self.edits:
                hooks.enter_context(each.paused())
            for point in points:
                key = f"{self.key} {point}"
                of_point = [each.added(point, sample, (args, kwargs)) for each in self.edits if point in each.points]
                _ready[key] = torch.stack(of_point).sum(dim=0) if len(of_point) > 1 else of_point[0]
                hooks.callback(_ready.pop, key, None)
                hooks.enter_context(changed(wrapper._orig_mod, point, partial(_added, key)))
            return self._function(wrapper, points)(*args, **kwargs)

    def _function(self, wrapper: Any, points: tuple[str, ...]) -> Callable[..., Any]:
        if points not in self.functions:
            self.functions[points] = wrapper.dynamo_ctx(_of_its_own(_edited, wrapper._orig_mod))
        return self.functions[points]


def _added(key: str, h: Tensor) -> Tensor:
    return h + _ready[key].to(h.dtype)


def _edited(*args: Any, network: nn.Module, **kwargs: Any) -> Any:
    return network(*args, **kwargs)


def _of_its_own(function: Callable[..., Any], network: nn.Module) -> Callable[..., Any]:
    """A copy of a function with a code object of its own, by which torch keeps what it compiles; with its network bound."""
    made = FunctionType(function.__code__.replace(), function.__globals__, function.__name__)
    made.__kwdefaults__ = {"network": network}
    return made
