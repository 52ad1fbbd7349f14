"""HTML as a tree of elements, by the standard library: what tests of pages ask for facts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Element:
    """An element, and what is in it: texts and elements."""

    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it, with single spaces."""
        return re.sub(r"\s+", " ", "".join(self._texts())).strip()

    @property
    def classes(self) -> set[str]:
        return set((self.attributes.get("class") or "").split())

    def walk(self) -> Iterator[Element]:
        """It, and every element in it."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, tag: str | None = None, css: str = "", **attributes: str) -> list[Element]:
        """The elements in it of this tag, with all these classes and attributes."""
        wanted = attributes.items()
        inside = [each for each in self.walk() if each is not self and tag in (None, each.tag)]
        return [each for each in inside if set(css.split()) <= each.classes and wanted <= each.attributes.items()]

    def one(self, tag: str | None = None, css: str = "", **attributes: str) -> Element:
        """The only such element."""
        found = self.all(tag, css, **attributes)
        assert len(found) == 1, f"{len(found)} elements {tag or ''} {css} {attributes or ''} where one was expected"
        return found[0]

    def table(self) -> dict[str, dict[str, Element]]:
        """Of a table, the cells by the heading of their row and the heading of their column."""
        headings = [cell.text for cell in self.one("thead").all() if cell.tag in ("th", "td")]
        rows = [[cell for cell in row.all() if cell.tag in ("th", "td")] for row in self.one("tbody").all("tr")]
        return {row[0].text: dict(zip(headings[1:], row[1:], strict=True)) for row in rows}

    def terms(self) -> dict[str, str]:
        """Of a list of definitions, what is said of each term."""
        return {row.one("dt").text: row.one("dd").text for row in self.all("div")}

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield from child._texts()


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("document")]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attributes))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        raise AssertionError(f"<{tag}/> does not close itself in HTML")

    def handle_endtag(self, tag: str) -> None:
        last = self.open.pop()
        assert last.tag == tag, f"</{tag}> where {last.tag} was the last tag opened"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(text: str) -> Element:
    """Return the document. Fails where a tag is left open, or one is closed that is not the last opened."""
    tree = _Tree()
    tree.feed(text)
    tree.close()
    assert len(tree.open) == 1, f"{', '.join(element.tag for element in tree.open[1:])} left open"
    return tree.open[0]
