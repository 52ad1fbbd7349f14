import json
from dataclasses import replace

import pandas as pd
import pytest

from schemas.catalog import Capture
from schemas.confirmed import CONFIRMED
from schemas.published import CATALOG_FILES
from schemas.verified import VERIFIED
from tests.parsed import Element
from tests.pipeline.catalog.planted_findings import (
    LEARNING_CURVE,
    NASTY,
    at_points,
    carriage,
    choice,
    of_single_images,
    planted,
    section,
    with_catalog,
)

BY_OTHERS = {"sampler": "deterministic", "strength_per_sd": 0.9, "strength": 0.7, "effect": 0.82, "n": 28}


def folded(settings: Element) -> dict[str, Element]:
    return {each.one("summary").text: each.one("pre") for each in settings.all("details")}


def test_settings_are_json_and_json_inside_strings_is_read():
    settings = folded(section(planted(), "settings"))
    [text] = settings["sample version 1, f00"].children
    assert json.loads(text) == {"unet": {"layers": 2}, "top": NASTY}
    [model] = settings["U-Net, scheduler and sampling"].children
    assert json.loads(model)["sampling"] == planted().catalog.sampling.model_dump()


@pytest.mark.parametrize(
    "point, where",
    [
        ("mid_block", "the output of the U-Net's mid block"),
        ("mid_block:input", "the input of the U-Net's mid block"),
        ("up_blocks.1", "the output of the U-Net's up_blocks.1"),
    ],
)
def test_how_a_direction_is_applied_is_said_of_every_capture_point(point, where):
    said = section(with_catalog(captures=[Capture(point=point, shape=[8, 2, 2])]), "settings").one("p", "note")
    assert f"adding strength × direction[step] to {where} (8 × 2 × 2) at every step" in said.text


def test_each_of_several_points_is_named_with_its_shape():
    said = section(at_points({"mid_block": ("age",), "up_blocks.0": ("smile",)}), "settings").one("p", "note").text
    assert (
        "to the output of the U-Net's mid block (8 × 2 × 2) or the output of the U-Net's up_blocks.0 (8 × 3 × 2)"
        in said
    )


def test_the_files_are_those_of_this_catalog():
    every = replace(of_single_images(), carriage=carriage(), choice=choice(), samplers={"smile/ridge": BY_OTHERS})
    every = replace(
        every, confirmed=pd.DataFrame(columns=CONFIRMED.names), verified=pd.DataFrame(columns=VERIFIED.names)
    )
    files, model = section(every, "settings").all("dl", "files")
    not_of_all = ("run.toml", "provenance.parquet", "best.parquet", "selection.parquet")
    assert files.terms() == {file.name: file.holds for file in CATALOG_FILES if file.name not in not_of_all}
    some, _ = section(planted(), "settings").all("dl", "files")
    assert LEARNING_CURVE is planted().learning_curve
    assert set(files.terms()) - set(some.terms()) == {
        f"{name}.parquet"
        for name in ("transfer", "locality", "carriage", "choice", "samplers", "confirmed", "verified")
    }
    assert model.terms()["Weights, SHA-256"] == "ab" * 32 and model.terms()["Revision"] == "none: a folder"
