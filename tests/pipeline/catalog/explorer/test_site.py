"""The explorer as a whole, of findings of many kinds: its markup is whole, it asks for nothing, links lead on, data stays text."""

import json
import re
from dataclasses import replace
from pathlib import Path
from posixpath import dirname, join, normpath

import pytest

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.links import Links
from pipeline.catalog.explorer.site import PAGES, pages, write
from tests.parsed import Element, parse
from tests.pipeline.catalog.explorer.planted_variants import NOTHING, SCRIPT, VARIANTS
from tests.pipeline.catalog.planted_findings import (
    NASTY,
    carriage,
    choice,
    of_single_images,
    planted,
    sections,
    signature,
    signed_picture,
)


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS.keys())
def findings(request) -> Findings:
    return request.param


@pytest.fixture(scope="module")
def site(findings) -> dict[str, str]:
    return pages(findings)


@pytest.fixture(scope="module")
def parsed(site) -> dict[str, Element]:
    """Every page, by its file; each is whole, or this fails."""
    return {file: parse(text) for file, text in site.items() if file.endswith(".html")}


def numbers(text: str) -> dict:
    """What a data script hands over; JSON has no number that is none."""
    found = re.fullmatch(r'explorer\.add\("[\w.+@-]+", (.*)\);\n', text)
    assert found
    return strict(found[1])


def strict(text: str) -> dict:
    def refused(constant: str) -> float:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refused)


def addresses(page: Element) -> list[str]:
    return [str(each.attributes[key]) for each in page.walk() for key in ("src", "href") if key in each.attributes]


def test_pages_ask_for_nothing_outside(site, parsed):
    for file, page in parsed.items():
        asked = [each for each in addresses(page) if not each.startswith("data:")]
        assert not [each for each in asked if re.match(r"[a-z]+:|/", each)], file
        assert not [each for each in asked if normpath(join(dirname(file), each.partition("#")[0])).startswith("..")]
        assert {each.tag for each in page.walk()}.isdisjoint({"iframe", "object", "embed", "base"})
        inline = [each.attributes.get("type") for each in page.all("script") if "src" not in each.attributes]
        assert set(inline) <= {"application/json"}, "numbers, and no code"
    assert not [file for file, text in site.items() if re.search(r"https?://|url\(|@import", text)]


def test_links_lead_to_pages_to_places_on_them_and_to_strengths(site, parsed):
    for file, page in parsed.items():
        for address in addresses(page):
            path, _, anchor = address.partition("#")
            if address.startswith("data:") or "/assets/" in f"/{path}":
                continue
            target = normpath(join(dirname(file), path)) if path else file
            assert target in site, f"{address} on {file}"
            if target == "compare.html" and "&" in anchor:
                assert [f"data/{each}.js" in site for each in anchor.split("&")] == [True, True]
            elif anchor.startswith("strength="):
                shown = numbers(site[target.replace("directions/", "data/").replace(".html", ".js")])
                assert float(anchor.removeprefix("strength=")) in shown["strengths"]
            elif anchor:
                parsed[target].one(id=anchor)


def test_every_page_is_in_the_navigation_which_knows_where_it_is(parsed):
    for file, page in parsed.items():
        links = page.one("header", "site").one("nav").all("a")
        led = [normpath(join(dirname(file), str(each.attributes["href"]))) for each in links]
        assert set(led) == {each for each in parsed if "/" not in each} and len(set(led)) == len(led)
        here = [each for each, link in zip(led, links, strict=True) if "aria-current" in link.attributes]
        assert here == [file] * ("/" not in file)


def test_each_section_is_linked_to_once_and_in_order(parsed):
    for page in (parsed[file] for file in PAGES if file in parsed):
        shown = page.all("section")
        links = [each for nav in page.all("nav", "sections") for each in nav.all("a")]
        expected = [(f"#{each.attributes['id']}", each.one("h2").text) for each in shown]
        assert [(each.attributes["href"], each.text) for each in links] == expected * (len(shown) > 1)


def test_a_number_that_is_none_is_never_written(site, parsed):
    for file, page in parsed.items():
        charts = [strict(each.text) for each in page.all("script") if "src" not in each.attributes]
        assert all("lines" in each for each in charts)
        values = [value for each in page.walk() for value in each.attributes.values()]
        written = [page.text, *(value for value in values if value and not value.startswith("data:"))]
        assert not [words for words in written if re.search(r"\b(nan|NaN|inf|None|Undefined)\b", words)], file
    data = [numbers(text) for file, text in site.items() if file.startswith("data/")]
    assert not [each for each in data if re.search(r"\b(nan|inf|None)\b", json.dumps(each))]


def test_the_same_findings_make_the_same_files(findings, site):
    assert pages(findings) == site


def test_every_direction_has_a_page_numbers_and_a_card(findings, site, parsed):
    names = [row["name"] for row in findings.directions]
    links = Links(names)
    scripts = {f"data/{links.file(name)}.js": name for name in names}
    assert {file for file in site if file.startswith("data/")} == scripts.keys()
    assert {file for file in site if file.startswith("directions/")} == {links.page(name) for name in names}
    assert {numbers(site[file])["name"]: file for file in scripts} == {name: file for file, name in scripts.items()}
    for name in names:
        page = parsed[links.page(name)]
        assert f"../data/{links.file(name)}.js" in addresses(page)
        assert page.one("div", **{"x-data": "direction"}).attributes["data-file"] == links.file(name)
    assert sorted(str(each.attributes["data-name"]) for each in parsed["directions.html"].all("article")) == sorted(
        names
    )
    for side in parsed["compare.html"].all("section"):
        assert sorted(str(each.attributes["value"]) for each in side.one("label", "pick").all("option")) == sorted(
            links.file(name) for name in names
        )
    heat = [table for page in parsed.values() for table in page.all("table", "heat")]
    columns = {cell.text for table in heat for cell in table.one("thead").all("th")}
    assert not columns or {" ".join(each.split()) for each in map(_words, findings.attributes)} <= columns


def _words(name: str) -> str:
    return name.replace("-", " ").replace("_", " ")


def test_files_have_names_that_every_system_takes(site):
    assert not [
        file for file in site if not re.fullmatch(r"((directions|data)/)?[A-Za-z0-9_][\w.+@-]*", file, re.ASCII)
    ]
    assert len({file.casefold() for file in site}) == len(site)


def test_with_nothing_to_show_there_are_settings_and_no_direction():
    found = pages(NOTHING)
    assert found.keys() == {"index.html", "directions.html", "compare.html", "about.html"}
    assert [each.attributes["id"] for each in parse(found["about.html"]).all("section")] == ["settings"]
    assert not parse(found["index.html"]).all("table")


def test_with_everything_there_is_every_section():
    known = {"split_half_cosine": 0.9}
    found = replace(of_single_images(), carriage=carriage(), choice=choice())
    every = replace(found, directions=[{**row, **known} if row["attribute"] else row for row in found.directions])
    expected = [name.replace("_", "-") for _, each in PAGES.values() for name in each]
    assert [name for name in sections(every) if name in expected] == expected


def test_text_from_the_data_is_text():
    found = planted(wanted=(NASTY, SCRIPT), judged=(NASTY, SCRIPT))
    known = {"label": SCRIPT, "nearest": f"{NASTY}/ridge", "nearest_cosine": 0.5}
    profiles = {name: {**row, **known} for name, row in found.profiles.items()}
    about = found.catalog.model_copy(update={"notes": [SCRIPT], "recommended": {NASTY: f"{NASTY}/ridge"}})
    rows = [{**row, "warnings": [SCRIPT]} if row["attribute"] else row for row in found.directions]
    every = pages(replace(found, profiles=profiles, catalog=about, directions=rows))
    assert not [file for file, text in every.items() if NASTY in text or SCRIPT in text]
    index, gallery, effects, one = (
        parse(every[file])
        for file in (
            "index.html",
            "directions.html",
            "effects.html",
            Links(list(found.profiles)).page(f"{NASTY}/ridge"),
        )
    )
    for page in map(parse, (text for file, text in every.items() if file.endswith(".html"))):
        assert {"c", "x"}.isdisjoint(each.tag for each in page.walk())
        assert not [each for each in page.walk() if "onerror" in each.attributes]
    assert SCRIPT in [each.text for each in index.one("ul", "warnings").all("li")]
    assert f"{NASTY}/ridge" in [each.attributes["data-name"] for each in gallery.all("article")]
    assert {NASTY, _words(SCRIPT)} <= {each.text for each in effects.all("th")}
    assert one.one("h1").text == NASTY and SCRIPT in [each.text for each in one.one("ul", "warnings").all("li")]
    data = [numbers(text) for file, text in every.items() if file.startswith("data/")]
    assert {NASTY, _words(SCRIPT)} <= {each["target"] for each in data}
    assert NASTY in [line["label"] for each in _charts(parse(every["method.html"])) for line in each["lines"]]


def _charts(page: Element) -> list[dict]:
    return [strict(each.text) for each in page.all("script") if "src" not in each.attributes]


def test_every_image_shown_is_one_that_was_given_and_is_what_it_is_said_to_be():
    found = planted(image=signed_picture)
    site = pages(found)
    for card in parse(site["directions.html"]).all("article"):
        name = card.attributes["data-name"]
        for i, row in enumerate(card.one("table", "strip").one("tbody").all("tr")):
            shown = [signature(each.attributes["src"]) for each in row.all("img")]
            other = 2.0 if "component" in str(name) else 1.0
            assert shown == [(name, -2.0, i), ("unedited", 0.0, i), (name, other, i)]
    samples = [signature(each.attributes["src"]) for each in parse(site["about.html"]).all("img")]
    assert samples == [("unedited", 0.0, i) for i in range(8)]


def test_a_server_behind_it_is_led_to_from_every_page():
    def live(found: dict[str, str]) -> set[bool]:
        parsed = [(file, parse(text)) for file, text in found.items() if file.endswith(".html")]
        return {"../" * file.count("/") + "live.html" in addresses(page) for file, page in parsed}

    assert (live(pages(planted(), live=True)), live(pages(planted()))) == ({True}, {False})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("explorer")
    write(of_single_images(), where)
    return where


def test_a_folder_has_the_pages_and_all_that_they_load(folder):
    found = pages(of_single_images())
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {file for file in written if not file.startswith("assets/")} == found.keys()
    assert all((folder / file).read_text(encoding="utf-8") == text for file, text in found.items())
    for file in (file for file in found if file.endswith(".html")):
        page = parse(found[file])
        loaded = [each.attributes["src"] for each in page.all("script") if "src" in each.attributes]
        loaded += [each.attributes["href"] for each in page.all("link", rel="stylesheet")]
        assert all((folder / dirname(file) / str(each)).is_file() for each in loaded) and len(loaded) >= 7
    assert "assets/vendor/LICENSES.txt" in written


def test_what_draws_the_pages_asks_for_nothing_either(folder):
    own = [path for path in (folder / "assets").glob("*") if path.suffix in (".js", ".css")]
    assert {path.name for path in own} >= {"charts.js", "explorer.js", "explorer.css", "style.css"}
    assert not [path for path in own if re.search(r"https?://|url\(|@import|fetch\(", path.read_text())]
