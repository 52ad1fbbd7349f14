"""What decides a result, as JSON that is hashed.

A setting is a number, a string, a tuple, a dict, a function or a dataclass. A dataclass is described by what it is, by its fields
but for those that are `not_hashed`, and by what else it says of itself (`SAID`): its name, version, attributes, thresholds ...
A plug that is brought along, a class or function outside this project, is told from others by its module, too, and by its source
where it has no version: change its code, and what it made is made again.
"""

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from pipeline.errors import UserError

# What an object says of itself, where it is none of its fields.
SAID = ("name", "version", "attributes", "thresholds", "presence")
OWN = "pipeline."  # modules whose classes keep their identity when they move


def not_hashed(default: Any = dataclasses.MISSING) -> Any:
    """A field that the fingerprint leaves out."""
    return dataclasses.field(default=default, metadata={"hashed": False})


def hashed_where_set(kw_only: bool = False) -> Any:
    """A field that most have no use for: None there, and then left out of the fingerprint."""
    return dataclasses.field(default=None, kw_only=kw_only, metadata={"hashed where set": True})


# For `dataclasses.field(metadata=...)`:
EXTENT = {"hashed": False, "extent": True}  # how far a stage goes, and not what its parts are
PART_BY_PART = {"part by part": True}  # an input of which part i is read for part i: more of them change nothing


def fingerprint(*described: Any) -> str:
    """Return 16 hexadecimal digits that recognise what JSON describes."""
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


def settings(value: Any, extents: bool = False) -> Any:
    """A stage or a setting as JSON: what the fingerprint hashes; with its extent, what the catalog records.

    Raises TypeError for what is no setting, and UserError for a plug whose source cannot be read.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {**identity(type(value)), **_said(value), **_fields(value, extents)}
    if inspect.isfunction(value):
        return _function(value)
    if isinstance(value, dict):
        return {str(key): _setting(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_setting(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(
        f"A setting must be a number, a string, a tuple, a dict, a function or a dataclass, not {type(value).__name__}"
    )


@cache
def identity(plug: type | Callable[..., Any]) -> dict[str, Any]:
    """What a class or function is: its name. Outside this project also its module, and its source unless it has a version.

    Of a class the source is its own and that of the classes of the same package that it is derived from; what these call is not
    looked at.
    """
    if plug.__module__.startswith(OWN):
        return {"is": plug.__qualname__}
    named = {"is": f"{plug.__module__}:{plug.__qualname__}"}
    home = plug.__module__.partition(".")[0]
    brought = [each for each in getattr(plug, "__mro__", (plug,)) if each.__module__.partition(".")[0] == home]
    if any("version" in vars(each) for each in brought) or hasattr(plug, "as_input"):
        return named
    if plug.__module__ == "__main__":
        raise UserError(
            f"{named['is']} stands in the file that is run, where workers do not find its source.\n"
            "Put it into a module of its own, or give it a version = 1, which you raise when its results change."
        )
    try:
        # A function's by its code: `inspect` gives what a function wraps in its place.
        source = "".join(inspect.getsource(getattr(each, "__code__", each)) for each in brought)
    except (OSError, TypeError) as error:
        raise UserError(
            f"The source of {named['is']} cannot be read ({error}), so a change of it would go unseen.\n"
            "Put it into a file, or give it a version = 1, which you raise when its results change."
        ) from error
    return {**named, "source": hashlib.sha256(source.encode()).hexdigest()}


def _function(function: Callable[..., Any]) -> dict[str, Any]:
    """A function with its defaults. Raises UserError for one that its source does not tell from others."""
    if function.__closure__ or "<lambda>" in function.__qualname__:
        raise UserError(
            f"{function.__module__}:{function.__qualname__} depends on more than its source says (a closure, or a lambda).\n"
            "Make it a function of a module, or a frozen dataclass with fields."
        )
    if inspect.isfunction(wrapped := getattr(function, "__wrapped__", None)):
        return {**identity(function), "wraps": _function(wrapped), **_defaults(function)}
    return {**identity(function), **_defaults(function)}


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).items()]
    return {"defaults": settings(defaults)} if defaults else {}


def _said(value: Any) -> dict[str, Any]:
    """What an object says of itself beside its fields. A stage's name and version stand in its fingerprint already."""
    if hasattr(value, "as_input"):
        return {}
    names = {field.name for field in fields(value)}
    return {key: _setting(getattr(value, key)) for key in SAID if key not in names and hasattr(value, key)}


def _fields(value: Any, extents: bool) -> dict[str, Any]:
    return {
        field.name: _setting(getattr(value, field.name), field.metadata.get("part by part", False))
        for field in fields(value)
        if (field.metadata.get("hashed", True) or (extents and field.metadata.get("extent")))
        and not (field.metadata.get("hashed where set") and getattr(value, field.name) is None)
    }


def _setting(value: Any, part_by_part: bool = False) -> Any:
    """What stands for a setting; for a stage that another one reads, its own name."""
    as_input = getattr(value, "as_input", None)
    return as_input(part_by_part) if as_input else settings(value)
