"""The page as a whole, on findings of many kinds: its markup is whole, it asks for nothing, and data stays text."""

import re
from dataclasses import replace

import pytest
from pipeline.catalog.explorer.page import SECTIONS, page

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.templates import data_uri
from tests.parsed import Element, parse
from tests.pipeline.catalog.planted_findings import (
    NASTY,
    another_way,
    at_points,
    carriage,
    choice,
    document,
    jpeg,
    of_single_images,
    planted,
)

WITHOUT_SCORES = planted(effect=lambda *_: float("nan"))
NOTHING = replace(planted(), directions=[], measured=[], samples=[], learning_curve=None, profiles={})
VARIANTS = {
    "whole": planted(),
    "nothing supervised": planted(wanted=()),
    "no components": planted(components=0),
    "one attribute": planted(wanted=("smile",), judged=("smile",), disentangle=False),
    "only negative strengths": planted(strengths=(-2.0, -1.0)),
    "one strength": planted(strengths=(1.0,)),
    "an attribute that the judge does not know": planted(wanted=("smile", "beard")),
    "no effect is a number": WITHOUT_SCORES,
    "no effect at all": planted(effect=lambda *_: 0.0),
    "awkward names": planted(wanted=(NASTY, "age"), judged=(NASTY, "age")),
    "of single images": of_single_images(),
    "disentangled by step": another_way("disentangled-by-step", projected_by="step"),
    "a capture point an attribute": at_points({"mid_block": ("age",), "up_blocks.0": ("smile",)}),
    "each attribute at two capture points": at_points(dict.fromkeys(("mid_block", "up_blocks.0"), ("smile", "age"))),
    "several capture points at once": at_points({"mid_block+up_blocks.0": ("smile",), "up_blocks.1": ("age",)}),
    "nothing": NOTHING,
}


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS.keys())
def findings(request) -> Findings:
    return request.param


@pytest.fixture(scope="module")
def text(findings) -> str:
    return page(findings)


@pytest.fixture(scope="module")
def parsed(text) -> Element:
    return parse(text)


def test_it_asks_for_nothing(text, parsed):
    addresses = [each.attributes[key] for each in parsed.walk() for key in ("src", "href") if key in each.attributes]
    assert all(address.startswith(("data:image/jpeg;base64,", "#")) for address in addresses)
    assert {each.tag for each in parsed.walk()}.isdisjoint({"script", "link", "iframe", "object"})
    assert not re.search(r"https?://|url\(|@import", text)


def test_each_section_is_linked_to_once_and_in_order(parsed):
    links = [link.attributes["href"] for link in parsed.one("nav").all("a")]
    sections = parsed.all("section")
    assert links == [f"#{section.attributes['id']}" for section in sections] and len(set(links)) == len(links)
    assert [link.text for link in parsed.one("nav").all("a")] == [section.one("h2").text for section in sections]


def test_a_number_that_is_none_is_never_written(parsed):
    values = [value for each in parsed.walk() for value in each.attributes.values()]
    written = [parsed.text, *(value for value in values if value and not value.startswith("data:"))]
    assert not [words for words in written if re.search(r"\b(nan|inf|None|Undefined)\b", words)]


def test_the_same_findings_make_the_same_page(findings, text):
    assert page(findings) == text


def test_every_direction_and_attribute_appears(findings, parsed):
    names = {each.text for each in parsed.all("code")}
    headings = {each.text for each in parsed.all("h3")}
    assert {row["name"] for row in findings.supervised} <= names
    for row in findings.components:
        at = f" at {row['capture']}" if len(findings.catalog.captures) > 1 else ""
        assert any(f"component {row['component']}{at.replace('+', ' + ')}, rank" in heading for heading in headings)
    columns = {cell.text for table in parsed.all("table", "heat") for cell in table.one("thead").all("th")}
    if any(section.attributes["id"] in ("effects", "components") for section in parsed.all("section")):
        assert set(findings.attributes) <= columns


def test_a_page_with_nothing_to_show_has_samples_of_none_and_the_settings_alone():
    assert [section.attributes["id"] for section in document(NOTHING).all("section")] == ["settings"]
    assert "No supervised direction was measured." in document(NOTHING).one("header").text


def test_a_page_with_everything_has_every_section():
    known = {"split_half_cosine": 0.9}
    found = replace(of_single_images(), carriage=carriage(), choice=choice())
    every = replace(found, directions=[{**row, **known} if row["attribute"] else row for row in found.directions])
    sections = [section.attributes["id"] for section in document(every).all("section")]
    assert sections == [name.replace("_", "-") for name in SECTIONS]


def test_text_from_the_data_is_text():
    found = planted(wanted=(NASTY, "age"), judged=(NASTY, "age"))
    assert NASTY not in page(found)
    parsed = document(found)
    assert f"{NASTY}/ridge" in [each.text for each in parsed.all("code")]
    assert f"Held-out samples edited along {NASTY}/ridge" in [each.text for each in parsed.all("caption")]
    assert NASTY in [each.text for each in parsed.all("text")], "in a chart"
    assert "c" not in {each.tag for each in parsed.walk()}


def test_every_image_shown_is_one_that_was_given():
    given: set[str] = set()

    def image(name: str, gamma: float, i: int) -> bytes:
        made = jpeg(5 * len(given))
        given.add(data_uri(made))
        return made

    shown = [each.attributes["src"] for each in document(planted(image=image)).all("img")]
    strips = 2 * 4 * 5 * 2 + 2 * 3 * 2  # attributes × groups × columns × samples, and the components' three columns
    assert len(shown) == strips + 8 and set(shown) <= given
