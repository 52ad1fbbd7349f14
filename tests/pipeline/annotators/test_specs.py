"""What annotators are called by: taken apart, placed, and called with their settings as they are annotated."""

from pathlib import Path
from typing import Literal

import pytest

from pipeline.annotators.mtcnn import Mtcnn
from pipeline.annotators.registry import KINDS, annotator, embedder
from pipeline.annotators.specs import called, parsed, placed
from pipeline.errors import UserError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mtcnn", ("mtcnn", "", {})),
        ("mtcnn+size=320+border=8", ("mtcnn", "", {"size": "320", "border": "8"})),
        ("onnx:models/a+b.onnx+name=age", ("onnx", "models/a+b.onnx", {"name": "age"})),
        ("huggingface:owner/name@v1+labels=a,b", ("huggingface", "owner/name@v1", {"labels": "a,b"})),
        ("my_plugs:mine", ("my_plugs", "mine", {})),
        ("table:C=D.csv+by=", ("table", "C=D.csv", {"by": ""})),
    ],
)
def test_a_spec_is_a_head_what_it_is_of_and_settings(text, expected):
    assert parsed(text) == expected


def test_a_setting_stands_once():
    with pytest.raises(UserError, match="has the setting size twice"):
        parsed("mtcnn+size=1+size=2")


def test_a_file_of_this_folder_is_placed_and_a_name_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("labels.csv").touch()
    assert placed("table:labels.csv+name=hand", KINDS) == f"table:{tmp_path}/labels.csv+name=hand"
    assert placed("clip:owner/name+prompts=labels.csv+name=labels.v2", KINDS) == (
        f"clip:owner/name+prompts={tmp_path}/labels.csv+name=labels.v2"
    )
    assert placed("my_plugs:mine", KINDS) == "my_plugs:mine" and placed("mtcnn+size=8", KINDS) == "mtcnn+size=8"
    Path("mine").mkdir()
    Path("middle").touch()
    for text in ("my_plugs:mine", "my_plugs:middle", "box:middle"):
        assert placed(text, KINDS) == text, "an object of a module, whatever lies in this folder"


def make(
    of: str, size: int, share: float = 0.5, which: Literal["first", "last"] = "first", deep: bool = False
) -> tuple:
    return of, size, share, which, deep


def test_settings_are_what_their_annotations_say():
    assert called(make, parsed("kind:x+size=3+share=.25+which=last+deep=true")) == ("x", 3, 0.25, "last", True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind:x+size=large", "The setting size of kind:x is 'large': expected a valid integer"),
        ("kind:x+size=3+which=all", "The setting which of kind:x is 'all': expected 'first' or 'last'"),
        ("kind:x+size=3+width=4", "kind:x has no setting width; it has size, share, which, deep"),
    ],
)
def test_a_setting_that_cannot_be_is_told(text, said):
    with pytest.raises(UserError, match=said):
        called(make, parsed(text))


def test_annotators_that_are_listed_take_settings():
    assert annotator("mtcnn+size=320") == Mtcnn(size=320)
    with pytest.raises(
        UserError, match="mtcnn has no setting weights; it has which, faces, box, landmarks, size, border"
    ):
        annotator("mtcnn+weights=none")


def test_what_is_of_one_s_own_has_its_settings_in_its_fields(outside_folder):
    with pytest.raises(UserError, match="outside_plugs:shades takes no settings"):
        annotator("outside_plugs:shades+size=3")


def test_a_kind_that_only_compares_is_no_annotator(tmp_path):
    with pytest.raises(UserError, match="There are no FaceNet weights"):
        embedder(f"facenet:{tmp_path}/none.pt")


@pytest.mark.parametrize("text", ["table:", "onnx:+name=sky"])
def test_a_kind_is_of_something(text):
    with pytest.raises(UserError, match="does not say what it is made of: expected (table|onnx):FILE"):
        annotator(text)
