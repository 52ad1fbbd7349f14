"""What is doubtful of a direction, by the marks that the card and the explorer put behind it."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.metrics.template import is_template

_SENTENCES = {
    "†": "Images at about its strength per standard deviation were not measured to be the model's own.",
    "‡": "No images were made at about its strength per standard deviation: it was read off the effects that were measured.",
    "§": "Its target does not rise by a standard deviation; at minus that strength it falls by as much.",
    "¶": "Four fifths or more of what it changes is the same pixels in every image: a template rather than a meaning, unless the "
    "images themselves have it in one place.",
}


def doubts(in_range: bool | None, verified: bool | None, by: str | None) -> list[str]:
    """Return what is not known of a strength per standard deviation.

    † where images at it were not the model's own, ‡ where it was not verified, § where the target only falls so far.
    """
    marks = {"†": in_range is False, "‡": not verified, "§": by == "fall"}
    return [mark for mark, doubted in marks.items() if doubted]


def of_template(profile: Mapping[str, Any]) -> list[str]:
    """Return ¶ where a row of schemas.profiles is of a direction that is more of a template than of a meaning."""
    return ["¶"] * is_template(profile.get("pasted"), profile.get("follows"))


def in_sentences(marks: Iterable[str]) -> tuple[str, ...]:
    """Return what marks say of one direction."""
    return tuple(_SENTENCES[mark] for mark in marks)
