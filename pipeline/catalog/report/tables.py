"""Tables: figures, and heat maps whose cells carry their numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.catalog.report.markup import Child, Html, amount, el, join, signed, words

STRONGEST = 3.0  # standard deviations; what is larger has the same colour


@dataclass(frozen=True)
class HeatRow:
    """A row of a heat map: what it is, its values, and which of them to outline."""

    label: str
    values: tuple[float, ...]
    outlined: int | None = None
    before: tuple[str, ...] = ()  # plain cells left of the values
    after: tuple[str, ...] = ()  # and right of them
    magnitude: bool = False  # values have no sign
    pale: frozenset[int] = frozenset()  # values that are not significant


def heat_map(
    title: Child,
    columns: Sequence[str],
    rows: Sequence[HeatRow],
    limit: float,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
) -> Html:
    """A table of cells coloured from -limit to limit, symmetric around 0."""
    headings = [*(el("th", text, class_="plain") for text in before)]
    headings += [el("th", words(column), scope="col") for column in columns]
    headings += [*(el("th", text, class_="plain") for text in after)]
    table = el(
        "table",
        el("caption", title),
        el("thead", el("tr", el("td"), *headings)),
        el("tbody", *(_heat_row(row, limit) for row in rows)),
        class_="heat",
    )
    return el("div", table, class_="scroll")


def _heat_row(row: HeatRow, limit: float) -> Html:
    cells = [
        heat_cell(value, limit, i == row.outlined, row.magnitude, i in row.pale) for i, value in enumerate(row.values)
    ]
    before = [el("td", text, class_="plain") for text in row.before]
    after = [el("td", text, class_="plain") for text in row.after]
    return el(
        "tr", el("th", row.label, scope="row"), *before, *cells, *after, class_="control" if row.magnitude else None
    )


def heat_cell(value: float, limit: float, outlined: bool = False, magnitude: bool = False, pale: bool = False) -> Html:
    share = min(1.0, abs(value) / limit) if math.isfinite(value) else 0.0
    colour = "either" if magnitude else "rise" if value > 0 else "fall"
    text = amount(value) if magnitude else signed(value)
    marks = f"{' target' if outlined else ''}{' pale' if pale else ''}"
    return el("td", text, class_=f"cell {colour}{marks}", style=f"--share:{0 if pale else share:.2f}")


def scale(limit: float) -> Html:
    """The key of a heat map."""
    stops = [limit * i / 4 for i in range(-4, 5)]
    cells = [el("i", class_="rise" if stop > 0 else "fall", style=f"--share:{abs(stop) / limit:.2f}") for stop in stops]
    return el(
        "p",
        f"{signed(-limit, 1)} ",
        el("span", *cells, class_="key"),
        f" {signed(limit, 1)} standard deviations",
        class_="scale",
    )


def limit_for(values: Sequence[float]) -> float:
    """One colour scale for several heat maps: to the largest value, but at least 1 and at most `STRONGEST`."""
    finite = [abs(value) for value in values if math.isfinite(value)]
    return min(STRONGEST, max(1.0, math.ceil(max(finite, default=1.0) * 2) / 2))


def figures(headings: Sequence[str], rows: Sequence[Sequence[Child]], led: bool = False, css: str = "") -> Html:
    """A plain table, its first column the names of the rows; `led` by its first row."""
    head = el("tr", *(el("th", text, scope="col") for text in headings))
    body = [el("tr", el("th", row[0], scope="row"), *(el("td", cell) for cell in row[1:])) for row in rows]
    return el(
        "div",
        el("table", el("thead", head), el("tbody", *body), class_=f"figures{' led' if led else ''} {css}".strip()),
        class_="scroll",
    )


def definitions(items: Sequence[tuple[str, Child]], css: str) -> Html:
    """Terms and what is to be said of each."""
    return el("dl", join(*(el("div", el("dt", term), el("dd", said)) for term, said in items)), class_=css)
