"""What plugs say of themselves: names that tables, files and command lines can hold, and as many thresholds as attributes."""

import inspect
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import count
from numbers import Real
from typing import Any

from pipeline.errors import UserError

NAME = re.compile(r"\w[\w.+-]*")  # directions are called ATTRIBUTE/METHOD, and attributes are listed by commas
_WRITTEN = "letters, digits, `_`, `-`, `.` and `+`, beginning with a letter or digit"


def spec_of(plug: Any) -> str:
    """Return `module:object`, by which a person finds the function or class that a plug is."""
    function = getattr(plug, "function", None)
    made_of = function if inspect.isfunction(function) else type(plug)
    return f"{made_of.__module__}:{made_of.__qualname__}"


def check_name(name: Any, what: str, who: str) -> None:
    """Raise UserError unless this can be the name of something. what: "attribute"; who: `module:object` that says so."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UserError(
            f"{who} has {name!r} as the name of {'an' if what[0] in 'aeiou' else 'a'} {what}; expected {_WRITTEN}.\n"
            "Directions are named by it, and lists of names are split at commas."
        )


def check_distinct(*plugs: Any) -> None:
    """Raise UserError where two different plugs have one name: tables know them by it."""
    by_name: dict[str, Any] = {}
    for plug in plugs:
        other = by_name.setdefault(plug.name, plug)
        if other != plug:
            raise UserError(
                f"{spec_of(other)} and {spec_of(plug)} are both called {plug.name!r}, and tables could not tell them apart.\n"
                "Give one another name: by its setting, as in KIND:OF+name=another; one of your own in its class or decorator."
            )


def check_annotator(annotator: Any, who: str) -> None:
    """Raise UserError unless an annotator's name, attributes, thresholds and presence fit together."""
    check_name(annotator.name, "annotator", who)
    names = annotator.attributes
    if not isinstance(names, tuple) or not names:
        raise UserError(f"{who} has {names!r} as its attributes; expected a tuple of at least one name, as ('width',).")
    for name in names:
        check_name(name, "attribute", who)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{who} has the attribute {twice[0]!r} twice; expected a name of its own for each column.")
    _check_thresholds(annotator.thresholds, names, who)
    presence = getattr(annotator, "presence", None)
    if presence is not None and presence not in names:
        raise UserError(f"{who} has the presence {presence!r}; expected one of its attributes {', '.join(names)}.")


def _check_thresholds(thresholds: Any, names: tuple[str, ...], who: str) -> None:
    found = thresholds if isinstance(thresholds, Iterable) and not isinstance(thresholds, str) else (thresholds,)
    if not isinstance(thresholds, tuple) or not all(isinstance(each, Real) for each in found):
        raise UserError(f"{who} has the thresholds {thresholds!r}; expected a tuple of numbers, one an attribute.")
    if len(thresholds) != len(names):
        raise UserError(
            f"{who} has {len(thresholds)} thresholds of {len(names)} attributes ({', '.join(names)}).\n"
            "Expected one each; NaN where a score knows no border above which the attribute counts as present."
        )


def chosen(labels: str, there: Sequence[str], where: object) -> list[str]:
    """Return the attributes that are listed by commas. Raises UserError, which names `where`, for one that is not there."""
    wanted = [name.strip() for name in labels.split(",")]
    if unknown := [name for name in wanted if name not in there]:
        alike = get_close_matches(unknown[0], there) or there[:5]
        raise UserError(f"{where} has no attribute {unknown[0]!r}; it has {len(there)}, {', '.join(alike)} among them.")
    return wanted


def fit(text: str, otherwise: str = "") -> str:
    """Return a text made fit to be a name: what names cannot hold becomes `_`; a name stays as it is.

    otherwise: the name where nothing is left of the text; without one that raises UserError.
    """
    found = text if NAME.fullmatch(text) else re.sub(r"[^\w.+-]+", "_", text).strip("_.+-")
    if not (found or otherwise):
        raise UserError(f"Nothing of {text!r} can be in a name; expected {_WRITTEN}.")
    return found or otherwise


def fit_all(texts: Iterable[str]) -> tuple[str, ...]:
    """Return texts made fit to be names, each with a number behind it where one before it has the same."""
    found: list[str] = []
    for name in map(fit, texts):
        numbered = (f"{name}_{number}" for number in count(2))
        found.append(name if name not in found else next(each for each in numbered if each not in found))
    return tuple(found)
