"""A file a direction, each of which says what it is."""

import json

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

from pipeline.catalog.export.formats import export
from tests.pipeline.catalog.export.planted_catalog import HOSTILE, at_several_points, hostile, opened


def test_a_file_holds_its_direction_by_point_and_says_what_it_is(tmp_path):
    folder = at_several_points(tmp_path / "catalog")
    export(opened(folder), "safetensors", tmp_path / "out")
    published = load_file(folder / "directions.safetensors")
    files = json.loads((tmp_path / "out" / "directions.json").read_text())
    assert files == {"smile/ridge": "smile-ridge.safetensors", "age/ridge": "age-ridge.safetensors"}
    age = load_file(tmp_path / "out" / files["age/ridge"])
    assert age.keys() == {"mid_block", "up_blocks.0"}
    assert all(values.tobytes() == published[f"age/ridge@{point}"].tobytes() for point, values in age.items())
    with safe_open(tmp_path / "out" / files["smile/ridge"], "np") as file:
        said = file.metadata()
        assert file.get_tensor("mid_block").tobytes() == published["smile/ridge"].tobytes()
    assert (said["name"], said["attribute"], said["model"]) == ("smile/ridge", "smile", "a model")
    assert json.loads(said["timesteps"]) == opened(folder).about.sampling.timesteps


def test_names_of_any_kind_are_kept_apart_in_their_folder(tmp_path):
    export(opened(hostile(tmp_path / "catalog")), "safetensors", tmp_path / "out")
    files = json.loads((tmp_path / "out" / "directions.json").read_text())
    assert files.keys() == {*HOSTILE, "smile/ridge"} and len(set(map(str.lower, files.values()))) == len(files)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*files.values(), "directions.json", ".export.json"}
    for name, file in files.items():
        with safe_open(tmp_path / "out" / file, "np") as each:
            assert each.metadata()["name"] == name and np.isfinite(each.get_tensor("mid_block")).all()
