"""Whether what is said of the directions to use is one thing everywhere: in our README, on a catalog's card, and on its pages."""

import re
from collections.abc import Mapping
from itertools import takewhile

Figures = dict[
    str, tuple[float, float]
]  # by attribute: the size of the effect on it, and of the largest on anything else

_NO_EFFECTS = ("strength", "target, 95 %", "ratio")  # columns of the card before those of effects
_CARD = re.compile(r'<article class="card"([^>]*)>')


def of_readme(text: str) -> Figures:
    """Read them from the table of our README, to two decimals."""
    rows = {cells[0]: cells[1:] for line in text.splitlines() if (cells := _cells(line))}
    names = next(cells for cells in map(_cells, text.splitlines()) if cells and not cells[0])[1:]
    on, off = rows["on target"], rows["anything else, at most"]
    return {name: (abs(float(on[i])), float(off[i])) for i, name in enumerate(names) if on[i]}


def of_results(text: str) -> Figures:
    """Read them from the table of docs/results.md that has a direction a row: the effect comes first in its cell."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if _cells(line)[:1] == ["direction"])
    head, *rows = map(_cells, takewhile(lambda line: line.startswith("|"), lines[start:]))
    on, off = head.index("on target"), head.index("off target")
    found = {}
    for cells in filter(None, rows):
        if cells[on]:
            found[cells[0]] = abs(float(cells[on].split()[0])), float(cells[off])
    return found


def of_card(text: str, recommended: Mapping[str, str]) -> Figures:
    """Read them from a catalog's README.md: the bold cell of a row is its target. recommended: directions by attribute."""
    found = {}
    for cells in filter(None, map(_cells, text.splitlines())):
        name = cells[0].removesuffix(" !").strip("`")
        attribute = next((each for each, used in recommended.items() if used == name), None)
        effects = cells[-_effects(text) :]
        numbers = [cell for cell in effects if re.fullmatch(r"(\*\*)?[+-]\d+\.\d\d(\*\*)?", cell)]
        if attribute is None or not any("*" in cell for cell in numbers):
            continue
        bold = next(cell for cell in numbers if "*" in cell)
        others = [abs(float(cell)) for cell in numbers if cell != bold]
        found[attribute] = abs(float(bold.strip("*"))), max(others, default=0.0)
    return found


def of_pages(index: str) -> Figures:
    """Read them from the overview of a catalog's pages."""
    found = {}
    for card in _CARD.findall(index):
        about = dict(re.findall(r'data-([a-z]+)="([^"]*)"', card))
        if about["recommended"] == "1" and about["on"]:
            found[about["target"]] = abs(float(about["on"])), float(about["off"])
    return found


def disagreements(*told: Figures) -> list[str]:
    """Return the attributes of which these do not all say the same to two decimals, but for the last of them by 1."""
    names = sorted({name for each in told for name in each})
    return [name for name in names if not _agree([each.get(name) for each in told])]


def _agree(told: list[tuple[float, float] | None]) -> bool:
    known = [each for each in told if each is not None]
    same = all(abs(a - b) < 0.0101 for each in known for a, b in zip(each, known[0], strict=True))
    return same and len(known) == len(told)


def _cells(line: str) -> list[str]:
    if not line.startswith("|") or set(line) <= set("|- "):
        return []
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def _effects(text: str) -> int:
    """How many attributes the card's table has: the columns after those of the strength and of the target."""
    [head] = [cells for cells in map(_cells, text.splitlines()) if cells[:1] == ["direction"]]
    return len(head) - max(head.index(name) for name in _NO_EFFECTS if name in head) - 1
