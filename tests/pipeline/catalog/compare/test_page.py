"""The page says what the comparison found, escapes what it is given, and asks for nothing."""

import re

import pytest

from pipeline.catalog.compare.comparison import compare
from pipeline.catalog.compare.page import page
from tests.parsed import Element, parse
from tests.pipeline.catalog.planted_catalog import standard, turned
from tests.pipeline.catalog.planted_findings import NASTY, supervised


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> str:
    at, b = tmp_path_factory.mktemp("compared"), standard()
    first, *rest = b.rows
    vectors = {**b.vectors, "smile/ridge": turned(b.vectors["smile/ridge"], 0.7)}
    nasty = supervised(NASTY, "ridge")
    vectors[nasty["name"]] = b.vectors[first["name"]]
    return page(compare(standard().write(at / "a"), b.but(rows=[*rest, nasty], vectors=vectors).write(at / "b")))


@pytest.fixture(scope="module")
def document(text) -> Element:
    return parse(text)


def test_it_has_a_row_a_direction_with_its_cosine_and_effect(document):
    table = document.one("section", id="directions").one("table").table()
    [name] = [name for name in table if name.startswith("smile/ridge cosine 0.70")]
    assert table[name]["cosine"].text == "+0.70"
    assert table[name]["effect on its target"].text == "+2.40 → +2.40 (0.00 ± 0.11)"
    assert table[name]["significant"].text == "as before"
    assert len(table) == 9


def test_what_matters_is_marked_and_listed(document):
    marked = document.one("section", id="directions").all("tr", "matters")
    assert [row.one("th").text.split()[0] for row in marked] == ["smile/ridge"]
    listed = [each.text for each in document.one("header").one("ul", "listed").all("li")]
    assert listed == ["smile/mean-difference vanished", "smile/ridge: cosine 0.70"]


def test_there_is_a_cell_a_timestep(document):
    strips = document.all("span", "steps")
    assert {len(strip.all("i")) for strip in strips} == {4} and strips[0].attributes["aria-label"].startswith(
        "cosine from"
    )


def test_what_vanished_and_appeared_has_a_section(document):
    assert document.one("section", id="vanished").one("li").text == "smile/mean-difference"
    assert document.one("section", id="appeared").one("li").text == f"{NASTY}/ridge"


def test_figures_of_other_papers_stand_beside_each_other(document):
    table = document.one("section", id="figures").one("table").table()
    assert re.fullmatch(r"[\d.]+ → [\d.]+", table["age/ridge"]["EPR"].text)
    assert table["age/ridge"]["range"].text == "+4.80 → +4.80"


def test_on_a_phone_every_cell_has_its_heading(document):
    for table in document.all("table", "compared"):
        headings = [cell.text for cell in table.one("thead").all("th")][1:]
        for row in table.one("tbody").all("tr"):
            assert [cell.attributes["data-heading"] for cell in row.all("td")] == headings


def test_it_asks_for_nothing(text):
    assert not re.findall(r"<script|<link|<iframe|https?://|url\(", text)
