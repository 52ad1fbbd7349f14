import json

import pytest

from schemas.published import CATALOG_FILES
from tests.parsed import Element
from tests.pipeline.catalog.planted_findings import (
    LEARNING_CURVE,
    NASTY,
    of_single_images,
    planted,
    section,
    with_catalog,
)


def folded(settings: Element) -> dict[str, Element]:
    return {each.one("summary").text: each.one("pre") for each in settings.all("details")}


def test_settings_are_json_and_json_inside_strings_is_read():
    settings = folded(section(planted(), "settings"))
    [text] = settings["sample version 1, f00"].children
    assert json.loads(text) == {"unet": {"layers": 2}, "top": NASTY}
    [model] = settings["U-Net, scheduler and sampling"].children
    assert json.loads(model)["sampling"] == planted().catalog.sampling.model_dump()


@pytest.mark.parametrize("capture, where", [("after", "the output of"), ("before", "the input of")])
def test_how_a_direction_is_applied_is_said_of_every_capture_point(capture, where):
    said = section(with_catalog(capture=capture), "settings").one("p", "note")
    assert f"adding strength × direction[step] to {where} the U-Net's mid block at every step" in said.text
    assert "T × C × H × W = 4 × 8 × 2 × 2" in said.text


def test_the_files_are_those_of_this_catalog():
    files, model = section(of_single_images(), "settings").all("dl", "files")
    assert files.terms() == {file.name: file.holds for file in CATALOG_FILES if file.name != "run.toml"}
    some, _ = section(planted(), "settings").all("dl", "files")
    assert LEARNING_CURVE is planted().learning_curve
    assert set(files.terms()) - set(some.terms()) == {"transfer.parquet", "locality.parquet"}
    assert model.terms()["Weights, SHA-256"] == "ab" * 32 and model.terms()["Revision"] == "none: a folder"
