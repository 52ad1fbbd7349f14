"""NumPy's own reader has every vector, to the bit and without pickles."""

import json
import zipfile

import numpy as np
from safetensors.numpy import load_file

from pipeline.catalog.export.formats import export
from tests.pipeline.catalog.export.planted_catalog import HOSTILE, at_several_points, hostile, opened


def test_numpy_reads_every_vector_by_its_key(tmp_path):
    folder = at_several_points(tmp_path / "catalog")
    export(opened(folder), "npz", tmp_path / "out")
    published = load_file(folder / "directions.safetensors")
    index = json.loads((tmp_path / "out" / "directions.json").read_text())
    assert [(each["name"], each["point"]) for each in index] == [
        ("smile/ridge", "mid_block"),
        ("age/ridge", "mid_block"),
        ("age/ridge", "up_blocks.0"),
    ]
    with np.load(tmp_path / "out" / "directions.npz", allow_pickle=False) as arrays:
        assert len(arrays.files) == 3
        for each, key in zip(index, ("smile/ridge", "age/ridge@mid_block", "age/ridge@up_blocks.0"), strict=True):
            assert arrays[each["key"]].tobytes() == published[key].tobytes()
            assert arrays[each["key"]].shape == published[key].shape


def test_the_members_of_the_archive_are_plain_names(tmp_path):
    """Whoever unpacks it writes nowhere else, whatever a direction is called; `file` is an argument of numpy.savez."""
    export(opened(hostile(tmp_path / "catalog")), "npz", tmp_path / "out")
    members = zipfile.ZipFile(tmp_path / "out" / "directions.npz").namelist()
    assert len(set(members)) == len(HOSTILE) + 1
    assert not [name for name in members if "/" in name or "\\" in name or ".." in name]


def test_the_same_catalog_gives_the_same_bytes(tmp_path):
    folder = at_several_points(tmp_path / "catalog")
    for name in ("one", "two"):
        export(opened(folder), "npz", tmp_path / name)
    one, two = ((tmp_path / name / "directions.npz").read_bytes() for name in ("one", "two"))
    assert one == two
