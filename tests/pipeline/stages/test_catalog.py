"""A catalog explains itself: its files agree, its sums hold, and the lines on its card apply a direction with plain diffusers."""

import hashlib
import json
import re

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from schemas.catalog import SCHEMA_FILE, Catalog


@pytest.fixture(scope="module")
def folder(flow, store):
    return store.folder(flow.catalog)


def test_the_files_agree_on_what_there_is(folder):
    catalog = Catalog.model_validate_json((folder / "catalog.json").read_text())
    vectors = load_file(folder / "directions.safetensors")
    table = pd.read_parquet(folder / "directions.parquet")
    names = [direction.name for direction in catalog.directions]
    assert names == table["name"].tolist() and set(names) == set(vectors)
    assert {name for name in pd.read_parquet(folder / "effects.parquet")["direction"] if "/" in name} == set(names)
    for row in table.itertuples():
        vector = vectors[row.name]
        assert vector.dtype == np.float32 and vector.shape == (catalog.sampling.steps, *catalog.h_shape)
        assert np.linalg.norm(vector) == pytest.approx(row.norm, rel=1e-5)


def test_projected_directions_name_their_parents(folder):
    table = pd.read_parquet(folder / "directions.parquet").set_index("name")
    vectors = load_file(folder / "directions.safetensors")
    for name, row in table[table["parents"].notna()].iterrows():
        v_0, *others = row["parents"]
        assert name == f"{v_0}/disentangled" and 0 < row["norm_kept"] <= 1
        assert row["norm"] == pytest.approx(table.loc[v_0, "norm"], rel=1e-5)
        for other in others:
            product = np.vdot(vectors[name].astype(float), vectors[other].astype(float))
            assert abs(product) < 1e-6 * row["norm"] * table.loc[other, "norm"]


def test_the_sums_hold_for_every_file(folder):
    sums = dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert set(sums) == {path.name for path in folder.iterdir()} - {"SHA256SUMS"}
    for name, expected in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected


def test_nothing_is_pickled(folder):
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors", ".parquet", ".md", ""}


def test_the_lines_on_the_card_apply_a_direction(folder, flow, monkeypatch):
    """Nothing of this project is imported by them; with gamma = 0 they sample the model as it is."""
    [code] = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert "pipeline" not in code
    monkeypatch.chdir(folder)
    code = code.replace("path/to/model", flow.catalog.sample.model.folder)
    edited, plain = {}, {}
    exec(code, edited)
    exec(re.sub(r"gamma = (.*), [-\d.]+\n", r"gamma = \1, 0.0\n", code), plain)
    assert edited["images"].shape == plain["images"].shape == (4, 3, 16, 16)
    assert edited["gamma"] != plain["gamma"] == 0
    assert (edited["x_t"] - plain["x_t"]).abs().max() > 1e-4


def test_the_committed_schema_is_the_one_of_the_code():
    assert json.loads(SCHEMA_FILE.read_text()) == Catalog.model_json_schema(), "run python -m schemas.catalog"
