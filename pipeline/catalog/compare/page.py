"""The page of a comparison, in the style of the explorer. It asks for nothing: no script, no font, no request."""

from pathlib import Path

from pipeline.catalog.compare.comparison import Comparison
from pipeline.catalog.compare.words import amount_of_change, called, verdict
from pipeline.catalog.templates import render


def page(found: Comparison) -> str:
    """Return the whole page as HTML. Same comparison, same text."""
    return render(
        "compare/templates/page.html.j2",
        found=found,
        names=_short(found.first, found.second),
        called=called,
        change_of=amount_of_change,
        verdict=verdict(found),
        moved=[each for each in found.changes if each.moved],
        compared=[each for each in found.changes if each.figures[0] or each.figures[1]],
    )


def _short(first: str, second: str) -> tuple[str, str]:
    """What tells two folders apart: the last of their names that differ; the whole where none does."""
    for one, other in zip(Path(first).parts[::-1], Path(second).parts[::-1], strict=False):
        if one != other:
            return one, other
    return first, second
