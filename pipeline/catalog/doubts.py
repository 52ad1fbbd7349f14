"""What is doubtful of a direction, by the marks that the card and the report put behind it."""

from collections.abc import Mapping
from typing import Any

from pipeline.metrics.template import is_template


def doubts(in_range: bool | None, verified: bool | None, by: str | None) -> list[str]:
    """Return what is not known of a strength per standard deviation.

    † where images at it were not the model's own, ‡ where it was not verified, § where the target only falls so far.
    """
    marks = {"†": in_range is False, "‡": not verified, "§": by == "fall"}
    return [mark for mark, doubted in marks.items() if doubted]


def of_template(profile: Mapping[str, Any]) -> list[str]:
    """Return ¶ where a row of schemas.profiles is of a direction that is more of a template than of a meaning."""
    return ["¶"] * is_template(profile.get("pasted"), profile.get("follows"))
