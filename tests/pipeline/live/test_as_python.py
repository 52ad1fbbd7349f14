"""What the page copies makes, where it is executed, the pictures that the page shows."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from diffusers import DDIMPipeline
from PIL import Image

from pipeline.catalog.direction_edit import DirectionEdit
from pipeline.live.as_python import Source, as_python
from pipeline.live.studio import PictureOrder
from tests.pipeline.catalog.planted_catalogs import loaded
from tests.pipeline.live.serving import wanted

NAME = "smile/ridge/disentangled"


@pytest.mark.parametrize("strengths", [{NAME: 1.5, "glasses/ridge": -0.5}, {}])
def test_the_lines_make_the_pixels_of_the_page(server, strengths):
    pictures = [each for each in server.pictures(strengths, seed=7, samples=3) if each["kind"] == "pictures"][-1]
    shown = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))) for uri in pictures["pictures"]
    ]
    copied = json.loads(server.ask("POST", "/live/python", wanted(strengths, seed=7, samples=3)).read())
    made: dict = {}
    exec(copied["python"], made)
    assert np.array_equal(made["images"], np.stack(shown))


def test_the_lines_for_any_pipeline_run_as_they_are(server, source):
    python = json.loads(server.ask("POST", "/live/python", wanted({NAME: 1.0})).read())["python"]
    made: dict = {"pipe": DDIMPipeline(*loaded(Path(source.model)))}
    exec(python.replace("# with", "with").replace("#     images", "    images"), made)
    assert len(made["images"]) == 2 and not isinstance(made["images"], np.ndarray)


def test_the_edit_as_json_is_one_of_this_catalog(server, catalog):
    copied = json.loads(server.ask("POST", "/live/python", wanted({NAME: 1.0, "glasses/ridge": 0.0})).read())
    edit = DirectionEdit.from_json(copied["json"])
    assert edit.strengths == {NAME: 1.0} and edit.open().sha256 == catalog.sha256
    assert json.loads(server.ask("POST", "/live/python", wanted()).read())["json"] == "", "nothing is edited"


def test_names_are_quoted_as_python_does():
    text = as_python(Source("a\"b'\n", "m'", "c", "cpu"), PictureOrder(1, 2, (("x'y", 1.0),)), 4)
    compiled = compile(text, "copied", "exec")
    assert {"a\"b'\n", "m'", "c", "cpu"} <= set(compiled.co_consts)
