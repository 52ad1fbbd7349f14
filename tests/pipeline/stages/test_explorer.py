"""What the stage gives to the pages: the parts of a flow, read as findings."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.links import Links
from pipeline.catalog.explorer.read import findings
from pipeline.catalog.explorer.site import PAGES, pages
from pipeline.catalog.templates import words
from pipeline.engine.stage import in_order
from tests.parsed import Element, parse


@pytest.fixture(scope="module")
def explorer(flow, store) -> Path:
    return Path(store.folder(flow))


@pytest.fixture(scope="module")
def sections(explorer) -> dict[str, list[Element]]:
    """The sections of each page of sections."""
    return {file: parse((explorer / file).read_text(encoding="utf-8")).all("section") for file in PAGES}


@pytest.fixture(scope="module")
def folder(flow, store, tmp_path_factory) -> Path:
    """The catalog's folder alone, in another place."""
    return Path(shutil.copytree(store.folder(flow.catalog), tmp_path_factory.mktemp("moved") / "catalog"))


def test_a_published_catalog_is_explored_again_without_its_store(explorer, folder):
    again = pages(findings(DirectionCatalog.open(folder)))
    text = {str(path.relative_to(explorer)) for path in explorer.rglob("*") if path.suffix in (".html", ".js")}
    assert {file for file in text if not file.startswith("assets/")} == again.keys()
    assert all((explorer / file).read_text(encoding="utf-8") == text for file, text in again.items())


def test_what_draws_the_pages_lies_beside_them(explorer):
    assert {path.name for path in (explorer / "assets").rglob("*.js")} == {
        *("alpine.min.js", "charts.js", "d3.min.js", "explorer.js", "plot.umd.min.js")
    }


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


def test_there_is_a_section_of_everything_that_was_measured(sections):
    found = {file: [each.attributes["id"] for each in parts] for file, parts in sections.items()}
    expected = {file: [name.replace("_", "-") for name in parts] for file, (_, parts) in PAGES.items()}
    assert found == expected


def test_the_settings_name_every_stage_behind_the_catalog(flow, sections):
    [settings] = [each for each in sections["about.html"] if each.attributes["id"] == "settings"]
    titles = [each.one("summary").one("span").text for each in settings.all("details")]
    assert titles[1:] == [stage.name for stage in in_order((flow.catalog,))]


def shown(explorer: Path, found: Findings) -> dict[str, dict]:
    """What the viewer of each direction is given, by its name."""
    links = Links([row["name"] for row in found.directions])
    texts = {name: (explorer / "data" / f"{links.file(name)}.js").read_text() for name in links.names}
    return {name: json.loads(text.partition(", ")[2].removesuffix(");\n")) for name, text in texts.items()}


def test_every_direction_is_shown_at_every_strength_as_it_was_measured(flow, explorer, folder):
    catalog = DirectionCatalog.open(folder)
    effects = catalog.table("effects.parquet")
    for name, given in shown(explorer, findings(catalog)).items():
        assert given["strengths"] == [-1, 0, 1] and len(given["samples"]) == 4
        assert all(image.startswith("data:image/jpeg;base64,") for row in given["samples"] for image in row)
        assert [each["name"] for each in given["judges"]] == [each.name for each in flow.catalog.evaluations[0].judges]
        for judge in given["judges"]:
            own = effects[(effects["direction"] == name) & (effects["judge"] == judge["name"])]
            wide = own.pivot_table(index="strength", columns="attribute", values="effect", dropna=False)
            wide.columns = [words(each) for each in wide.columns]
            for place, strength in ((0, -1.0), (2, 1.0)):
                assert judge["effects"][place] == pytest.approx(
                    [None if pd.isna(each) else each for each in wide.loc[strength, judge["attributes"]]], abs=1e-4
                )


def test_the_sample_that_a_direction_was_found_on_is_shown_with_it(flow, explorer, folder):
    given = shown(explorer, findings(DirectionCatalog.open(folder)))
    own = {name: each["own"] for name, each in given.items() if each["own"]}
    assert own.keys() == set(flow.catalog.transfers[0].edit.names), "those of one sample, and no mean"
    assert all(len(set(images)) == 3 and None not in images for images in own.values())
