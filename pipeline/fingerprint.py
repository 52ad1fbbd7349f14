"""What decides a result, as JSON that is hashed: a dataclass by its name and fields, but for those that it leaves out."""

import dataclasses
import hashlib
import json
from dataclasses import fields, is_dataclass
from typing import Any


def not_hashed(default: Any = dataclasses.MISSING) -> Any:
    """A field that the fingerprint leaves out."""
    return dataclasses.field(default=default, metadata={"hashed": False})


# For `dataclasses.field(metadata=...)`:
EXTENT = {"hashed": False, "extent": True}  # how far a stage goes, and not what its parts are
PART_BY_PART = {"part by part": True}  # an input of which part i is read for part i: more of them change nothing


def fingerprint(*described: Any) -> str:
    """16 hexadecimal digits that recognise what JSON describes."""
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


def settings(value: Any, extents: bool = False) -> Any:
    """A stage or a setting as JSON: what the fingerprint hashes; with its extent, what the catalog records."""
    if is_dataclass(value) and not isinstance(value, type):
        described = {
            field.name: _setting(getattr(value, field.name), field.metadata.get("part by part", False))
            for field in fields(value)
            if field.metadata.get("hashed", True) or (extents and field.metadata.get("extent"))
        }
        return {"is": type(value).__name__, **described}
    if isinstance(value, dict):
        return {str(key): _setting(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_setting(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"A setting must be a number, a string, a tuple, a dict or a dataclass, not {type(value).__name__}")


def _setting(value: Any, part_by_part: bool = False) -> Any:
    as_input = getattr(
        value, "as_input", None
    )  # what has a name of its own there, such as a stage that another one reads
    return as_input(part_by_part) if as_input else settings(value)
