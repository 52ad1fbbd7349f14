"""Plain functions as plugs. A decorator says what is not in the function, and what it makes is an annotator, or a region:

    @attributes("slant", "ink")
    def digits(images):  # (B, H, W, 3) uint8
        return np.stack([slant(images), ink(images)], axis=1)  # (B, 2)

It can still be called. The function's module, name and own source are its identity: change its body, and what it made is made
again. What it calls is not looked at. A `version` stands in for the source, and is raised by hand.

In tables, reports and lists of judges it goes by the function's name, which reads better than `module:object` and does not change
when the module moves; `name` gives it another. Two plugs of one name do not work in one run.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from importlib import import_module
from typing import Any, TypeVar, overload

import numpy as np

from pipeline.annotators.base import Scorer
from pipeline.annotators.border import masks_of, scores_of
from pipeline.annotators.names import check_annotator, check_name, spec_of
from pipeline.annotators.regions import WHOLE, Masker
from pipeline.errors import UserError

Function = Callable[[np.ndarray], Any]


@dataclass(frozen=True)
class OfFunction:
    """A function that is a plug. It is called as it was before, and travels to workers by its module and name."""

    function: Function
    name: str

    def __call__(self, images: np.ndarray) -> Any:
        return self.function(images)

    @property
    def describes(self) -> str:
        """The first line of what is written below the function's name."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def __reduce__(self) -> tuple[Any, ...]:
        others = tuple(getattr(self, each.name) for each in fields(self) if each.name != "function")
        return _again, (type(self), _by_name(self.function), others)


@dataclass(frozen=True)
class FunctionAnnotator(OfFunction):
    """Scores by a function. `attributes` makes one."""

    attributes: tuple[str, ...]
    thresholds: tuple[float, ...]
    presence: str | None = None
    version: int | None = None

    def __post_init__(self) -> None:
        """One NaN is as good as another: annotators that are alike are equal, also those that have travelled."""
        border = (math.nan if isinstance(each, float) and math.isnan(each) else each for each in self.thresholds)
        object.__setattr__(self, "thresholds", tuple(border))

    def load(self) -> Scorer:
        return scores_of(self.function, self.attributes, spec_of(self))


@dataclass(frozen=True)
class FunctionRegion(OfFunction):
    """Masks by a function. `region` makes one."""

    version: int | None = None

    def check(self, height: int, width: int) -> None:
        """A function reads images of any size."""

    def load(self) -> Masker:
        return masks_of(self.function, spec_of(self))


def attributes(
    *names: str,
    thresholds: float | Sequence[float] = math.nan,
    presence: str | None = None,
    name: str | None = None,
    version: int | None = None,
) -> Callable[[Function], FunctionAnnotator]:
    """Make an annotator of a function from images (B, H, W, 3) uint8 to scores (B, len(names)), NaN where there is nothing.

    thresholds: the score above which each attribute counts as present, or one for all; NaN where there is no such border.
    presence: which of the attributes says how likely an image shows what the model is of at all.
    Raises UserError for names that cannot be used, and for what is no function of images.
    """
    if any(callable(each) for each in names):
        raise UserError('`attributes` needs names; expected @attributes("width", "height") above the function.')

    def made(function: Function) -> FunctionAnnotator:
        who = _check_function(function, "attributes", version)
        borders = [thresholds] * len(names) if isinstance(thresholds, int | float) else thresholds
        annotator = FunctionAnnotator(function, name or function.__name__, names, tuple(borders), presence, version)
        check_annotator(annotator, who)
        return annotator

    return made


@overload
def region(function: Function) -> FunctionRegion: ...
@overload
def region(*, name: str | None = None, version: int | None = None) -> Callable[[Function], FunctionRegion]: ...
def region(
    function: Function | None = None, *, name: str | None = None, version: int | None = None
) -> FunctionRegion | Callable[[Function], FunctionRegion]:
    """Make a region of a function from images (B, H, W, 3) uint8 to masks (B, H, W) in 0..1, NaN where an image has none.

    It is `@region`, or `@region(name="middle")`. Raises UserError for a name that cannot be used, and for what is no function of
    images.
    """

    def made(function: Function) -> FunctionRegion:
        who = _check_function(function, "region", version)
        found = FunctionRegion(function, name or function.__name__, version)
        check_name(found.name, "region", who)
        if found.name == WHOLE:
            raise UserError(f"{who} is called {WHOLE!r}, which is the whole image: @region(name=...) gives it another.")
        return found

    return made if function is None else made(function)


def _check_function(function: Any, decorator: str, version: int | None) -> str:
    """Return `module:name` of a function of images. Raises UserError for anything else."""
    if not inspect.isfunction(function):
        raise UserError(
            f"@{decorator} stands above {getattr(function, '__qualname__', type(function).__name__)}, which is no plain function.\n"
            "A class says of itself what the decorator says of a function: its name, attributes and thresholds."
        )
    who = f"{function.__module__}:{function.__qualname__}"
    try:
        inspect.signature(function, follow_wrapped=False).bind(None)
    except TypeError as error:
        raise UserError(
            f"{who}{inspect.signature(function)} cannot be called with images alone ({error}); expected one argument."
        ) from error
    if version is not None:
        vars(function)["version"] = version  # where the fingerprint looks for one, before it looks at the source
    return who


_Plug = TypeVar("_Plug", bound=OfFunction)


def _by_name(function: Function) -> tuple[str, str] | Function:
    """Where a function is found again; itself where it is not found by its name, as in the file that is run."""
    where = function.__module__, function.__qualname__
    try:
        return where if where[0] != "__main__" and _found(*where) is function else function
    except (ImportError, AttributeError):
        return function


def _again(kind: type[_Plug], function: tuple[str, str] | Function, others: tuple[Any, ...]) -> _Plug:
    return kind(_found(*function) if isinstance(function, tuple) else function, *others)


def _found(module: str, name: str) -> Any:
    found = reduce(getattr, name.split("."), import_module(module))
    return found.function if isinstance(found, OfFunction) else found
