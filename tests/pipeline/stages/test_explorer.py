"""What the stage gives to the page: the parts of a flow, read as findings."""

import shutil
from pathlib import Path

import pytest
from pipeline.catalog.explorer.page import SECTIONS, page

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.explorer.read import findings
from pipeline.engine.stage import in_order
from tests.parsed import Element, parse


@pytest.fixture(scope="module")
def document(flow, store) -> Element:
    return parse(store.text(flow, "report.html"))


@pytest.fixture(scope="module")
def folder(flow, store, tmp_path_factory) -> Path:
    """The catalog's folder alone, in another place."""
    return Path(shutil.copytree(store.folder(flow.catalog), tmp_path_factory.mktemp("moved") / "catalog"))


def test_a_published_catalog_is_reported_again_without_its_store(flow, store, folder):
    assert page(findings(DirectionCatalog.open(folder))) == store.text(flow, "report.html")


def test_an_evaluation_comes_with_its_random_directions_by_the_first_judge(flow, folder):
    [evaluation] = flow.catalog.evaluations
    [found] = findings(DirectionCatalog.open(folder)).measured
    random = {name for name in evaluation.edit.names if name.startswith("random-")}
    assert set(found.controls["direction"]) == random and found.controls["control"].all()
    assert set(found.controls["judge"]) == {evaluation.judge.name}
    assert set(found.preservation["direction"]) == {*evaluation.edit.names, "unedited"}
    assert not found.preservation.duplicated(["direction", "strength_index"]).any()
    shown = {(name, index) for name in evaluation.edit.names if name not in random for index in (0, 1)}
    assert set(found.images) == shown | {("unedited", -1)}
    assert {len(images) for images in found.images.values()} == {evaluation.edit.samples_each}


def test_the_page_has_a_section_of_everything_that_was_measured(document):
    sections = [section.attributes["id"] for section in document.all("section")]
    assert sections == [name.replace("_", "-") for name in SECTIONS]


def test_the_page_names_every_stage_behind_the_catalog(flow, document):
    titles = [each.one("summary").one("span").text for each in document.one("section", id="settings").all("details")]
    assert titles[1:] == [stage.name for stage in in_order((flow.catalog,))]


def test_the_sample_that_a_direction_was_found_on_is_above_the_others(document):
    strips = [
        card.one("table", "strip") for card in document.one("section", id="jacobian").one("div", "cards").all("article")
    ]
    own = [strip.all("tr", "own") for strip in strips]
    assert sorted(map(len, own)) == [0, 1, 1], "two of one sample, and a mean of all"
    for [row] in filter(None, own):
        assert len(row.all("img")) == 3
