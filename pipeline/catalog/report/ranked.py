"""Directions that nobody labelled, named by what they were measured to do, the most useful first."""

from dataclasses import dataclass

from pipeline.catalog.doubts import doubts, of_template
from pipeline.catalog.report.findings import Findings, Row, title
from pipeline.catalog.templates import Facts

SHOWN = 30


@dataclass(frozen=True)
class Ranked:
    """The profile of a direction, what is doubtful of it, and its cosine to the nearest where that is largest."""

    profile: Row
    found_as: str
    nearest: str | None
    doubts: list[str]  # of its strength
    template: list[str]
    largest_cosine: float | None


def facts(findings: Findings) -> Facts | None:
    """The first, and how many more there are."""
    rows = findings.ranked
    if not rows:
        return None
    titles = {row["name"]: ", at ".join(filter(None, [title(row), findings.at(row)])) for row in findings.directions}
    return {"first": [_ranked(row, titles) for row in rows[:SHOWN]], "more": max(0, len(rows) - SHOWN)}


def _ranked(row: Row, titles: dict[str, str]) -> Ranked:
    marks = doubts(row["strength_in_range"], row["verified"], row["strength_by"])
    largest = max(row["nearest_cosine_by_step"] or [], key=abs, default=None)
    found_as = titles.get(row["direction"], str(row["direction"]))
    return Ranked(row, found_as, titles.get(row["nearest"]), marks, of_template(row), largest)
