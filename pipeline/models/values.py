"""Values of a configuration: read as what they should be, or refused by name. JSON holds whatever someone has typed."""

import json
import math
from collections.abc import Sequence
from typing import Any

from pipeline.errors import UserError

Config = dict[str, Any]

_MEND = "Copy the file again, from where the model is published, or write there what the model was trained with."


MOST = 1_000_000  # of anything that is counted in a configuration: channels, timesteps, classes


def whole(config: Config, key: str, where: object, default: int | None = None, least: int = 1) -> int | None:
    """A whole number, which may be written as 16.0; the default where the key is absent or null."""
    found = config.get(key)
    if found is None:
        return default
    number = as_whole(found)
    if number is None or not least <= number <= MOST:
        raise _refused(config, key, where, f"a whole number, {least} or more, and at most {MOST:,}")
    return number


def number(config: Config, key: str, where: object, low: float, high: float = math.inf) -> None:
    """Check a number in [low, high], where there is one."""
    found = config.get(key)
    if found is not None and not (_is_number(found) and low <= found <= high):
        between = f"from {low:g} to {high:g}" if high < math.inf else f"of {low:g} or more"
        raise _refused(config, key, where, f"a number {between}")


def numbers(config: Config, key: str, where: object, n: int) -> None:
    """Check a list of n numbers, where there is one."""
    found = config.get(key)
    if found is not None and not (isinstance(found, list) and len(found) == n and all(map(_is_number, found))):
        raise _refused(config, key, where, f"{n} numbers")


def choice(config: Config, key: str, where: object, among: Sequence[Any]) -> None:
    """Check one of some values, where there is one. 1 is not true."""
    found = config.get(key)
    if found is not None and not any(type(found) is type(each) and found == each for each in among):
        raise _refused(config, key, where, " or ".join(json.dumps(each) for each in among))


def size(config: Config, key: str, where: object) -> int | list[int]:
    """The height and width of what a U-Net works on: a number where they are equal, else [height, width]."""
    found = config.get(key)
    given = found if isinstance(found, list | tuple) else [found, found]
    sides = [as_whole(each) for each in given]
    if len(sides) != 2 or any(each is None or each < 1 for each in sides):
        raise _refused(config, key, where, "a whole number, or two, [height, width], of 1 or more")
    height, width = sides
    return height if height == width else [height, width]  # type: ignore[return-value, list-item]


def as_whole(found: Any) -> int | None:
    """A whole number, however it is written; None for anything else."""
    if not _is_number(found) or found != int(found):
        return None
    return int(found)


def _is_number(found: Any) -> bool:
    return (
        isinstance(found, int | float) and not isinstance(found, bool) and (type(found) is int or math.isfinite(found))
    )


def _refused(config: Config, key: str, where: object, expected: str) -> UserError:
    found = json.dumps(config[key], default=str) if key in config else "not there"
    shown = found if len(found) <= 60 else f"{found[:60]} ..."
    return UserError(f"{key} is {shown} in {where}; expected {expected}.\n{_MEND}")
