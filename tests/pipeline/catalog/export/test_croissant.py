"""The description is valid by the reference library, and its records are those of the tables."""

import json

import mlcroissant as mlc
import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.catalog.export.formats import export
from tests.pipeline.catalog.export.planted_catalog import SCRIPT, hostile, opened, planted


@pytest.fixture
def exported(tmp_path):
    export(opened(planted(tmp_path / "catalog")), "croissant", tmp_path / "out")
    return tmp_path / "out"


def test_it_is_valid(exported):
    dataset = mlc.Dataset(jsonld=exported / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    assert {each.name for each in dataset.metadata.record_sets} >= {"directions", "effects", "profiles", "vectors"}


def test_its_records_are_the_vectors_to_the_bit(exported, tmp_path):
    published = load_file(tmp_path / "catalog" / "directions.safetensors")
    rows = list(mlc.Dataset(jsonld=exported / "croissant.json").records("vectors"))
    assert [row["vectors/name"] for row in rows] == [b"smile/ridge", b"age/ridge"]
    for row in rows:
        vector = np.array(row["vectors/vector"], np.float32)
        assert vector.tobytes() == published[row["vectors/name"].decode()].tobytes()


def test_every_file_has_its_hash_and_a_changed_one_is_refused(exported):
    path = exported / "effects.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(Exception, match="effects.parquet") as raised:
        list(mlc.Dataset(jsonld=exported / "croissant.json").records("effects"))
    assert "hash" in str(raised.value.__cause__).lower()


def test_columns_say_what_they_mean(exported):
    said = json.loads((exported / "croissant.json").read_text())
    [effects] = [each for each in said["recordSet"] if each["name"] == "effects"]
    [effect] = [each for each in effects["field"] if each["name"] == "effect"]
    assert "Mean change" in effect["description"] and "standard deviations" in effect["description"]
    assert effect["dataType"] == "sc:Float"


def test_names_of_any_kind_leave_it_valid(tmp_path):
    export(opened(hostile(tmp_path / "catalog")), "croissant", tmp_path / "out")
    assert SCRIPT not in (tmp_path / "out" / "croissant.json").read_text()
    assert not mlc.Dataset(jsonld=tmp_path / "out" / "croissant.json").metadata.ctx.issues.errors
