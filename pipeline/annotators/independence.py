"""Whether two annotators are one: a judge that is the annotator under another name repeats its blind spots as success."""

from dataclasses import fields
from inspect import getattr_static
from typing import Any

from pipeline.annotators.base import Annotator
from pipeline.annotators.functions import OfFunction
from pipeline.fingerprint import SAID, settings


def same_network(one: Annotator, other: Annotator) -> bool:
    """Whether two annotators score by the same weights, function or code, whatever they are called and call their scores."""
    return one == other or _same_weights(one, other) or _does(one) == _does(other)


def _same_weights(one: Annotator, other: Annotator) -> bool:
    weights = getattr(one, "weights", None)
    return weights is not None and bool(weights == getattr(other, "weights", None))


def _does(annotator: Any) -> dict[str, Any]:
    """A function, or an object's fields and what its class has, inherited or not, but for what they say of themselves."""
    if isinstance(annotator, OfFunction):
        return {"function": settings(annotator.function)}
    kind, said = type(annotator), {*SAID, "describes"}
    of_class = {
        name: getattr_static(kind, name) for name in dir(kind) if name not in said and not name.startswith("__")
    }
    own = {each.name: getattr(annotator, each.name) for each in fields(annotator) if each.name not in said}
    return {**of_class, **own}
