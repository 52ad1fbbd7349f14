"""What stages are called before people: their name, what they are for, and, where that is alike, what tells them apart."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from pipeline.engine.stage import Stage


def titles(stages: Sequence[Stage]) -> dict[Stage, str]:
    """A title of each stage; of one flow no two are the same."""
    alike: dict[str, list[Stage]] = {}
    for stage in dict.fromkeys(stages):
        alike.setdefault(stage.title, []).append(stage)
    found: dict[Stage, str] = {}
    for title, group in alike.items():
        found.update({stage: _joined(title, told) for stage, told in zip(group, _told_apart(group), strict=True)})
    return found


def _joined(title: str, told: str) -> str:
    return title if not told else f"{title}, {told}" if ":" in title else f"{title}: {told}"


def _told_apart(stages: Sequence[Stage], depth: int = 3) -> list[str]:
    """What each of these is and the others are not, in as few words as will do: what is no difference is left out."""
    said = [""] * len(stages)
    for described in _descriptions(stages, depth):
        if len(set(said)) == len(said):
            break
        if len(set(zip(said, described, strict=True))) > len(set(said)):
            said = [", ".join(filter(None, both)) for both in zip(said, described, strict=True)]
    if len(set(said)) == len(said):
        return said
    return [", ".join(filter(None, (each, stage.fingerprint[:6]))) for each, stage in zip(said, stages, strict=True)]


def _descriptions(stages: Sequence[Stage], depth: int) -> Iterator[list[str]]:
    """Ways to describe them: by one setting after the other, and then by one after the other of what they read."""
    names = dict.fromkeys(
        each.name for stage in stages for each in fields(stage) if each.repr and each.name != "purpose"
    )
    for name in names:
        yield [_setting(name, getattr(stage, name, None)) for stage in stages]
    for read in zip(*(stage.inputs for stage in stages), strict=False):
        distinct = list(dict.fromkeys(read))
        if len({each.title for each in distinct}) > 1:
            yield [f"of {each.title}" for each in read]
        elif len(distinct) > 1 and depth:
            told = dict(zip(distinct, _told_apart(distinct, depth - 1), strict=True))
            yield [told[each] for each in read]


def _setting(name: str, value: Any) -> str:
    """A setting in a few words; "" for what is none of a few."""
    if isinstance(value, bool):
        return name if value else f"not {name}"
    if isinstance(value, tuple) and value and all(isinstance(each, str | int | float) for each in value):
        return " ".join(map(str, value[:2])) + (" ..." if len(value) > 2 else "")
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int | float):
        return f"{name} {value}"
    named = getattr(value, "name", None)  # a plug has one
    return named if isinstance(named, str) and not isinstance(value, Stage) else ""
