"""A catalog explains itself: its files agree, its sums hold, and the lines on its card apply a direction with plain diffusers."""

import hashlib
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from pipeline.errors import UserError
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.publish import _direction, of_controls
from schemas.catalog import SCHEMA_FILE, Catalog
from schemas.catalog_files import CATALOG_FILES


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
        by_effects = "" if row["trials"] is None else "-by-effects"
        assert name == f"{v_0}/disentangled{by_effects}" and 0 < row["norm_kept"] <= 1
        assert len(row["removed_share"]) == len(others) and row["condition_number"] >= 1
        assert row["norm"] == pytest.approx(table.loc[v_0, "norm"], rel=1e-5)
        for other in others:
            product = np.vdot(vectors[name].astype(float), vectors[other].astype(float))
            assert abs(product) < 1e-6 * row["norm"] * table.loc[other, "norm"]


def test_the_sums_hold_for_every_file(folder):
    sums = dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert set(sums) == {path.name for path in folder.iterdir()} - {"SHA256SUMS"}
    for name, expected in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected


def test_a_catalog_with_everything_has_the_files_that_are_listed(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(file.name for file in CATALOG_FILES)


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
    exec(re.sub(r"strength_per_sd = (.*), [-\d.]+, ([-\d.]+)\n", r"strength_per_sd = \1, 0.0, \2\n", code), plain)
    assert edited["images"].shape == plain["images"].shape == (4, 3, 16, 16)
    assert edited["gamma"] != plain["gamma"] == 0
    assert (edited["x_t"] - plain["x_t"]).abs().max() > 1e-4


def test_the_committed_schema_is_the_one_of_the_code():
    assert json.loads(SCHEMA_FILE.read_text()) == Catalog.model_json_schema(), "run python -m schemas.catalog"


def test_two_directions_of_one_name_are_refused(flow):
    catalog = flow.catalog
    with pytest.raises(UserError, match="both make component-0/principal-components, component-1"):
        replace(catalog, finders=(*catalog.finders, PrincipalComponents(catalog.sample, 2))).check()


def test_cosines_are_to_the_other_directions_of_the_attribute(folder):
    table = pd.read_parquet(folder / "directions.parquet").set_index("name")
    vectors = load_file(folder / "directions.safetensors")
    for name, row in table.iterrows():
        others = table.index[(table["attribute"] == row["attribute"]) & (table.index != name)]
        found = {} if row["cosines"] is None else {each["direction"]: each["cosine"] for each in row["cosines"]}
        assert set(found) == set(others)
        for other, cosine in found.items():
            a, b = vectors[name].ravel(), vectors[other].ravel()
            assert cosine == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-5)


# The control


class Planted:
    """A store that holds one table of each evaluation: a direction, and a random one with an effect of its own."""

    def __init__(self, controls):
        self.controls = controls

    def table(self, evaluate, name):
        [effect] = [effect for each, effect in self.controls if each is evaluate]
        rows = [("smile/ridge", False, 2.0), ("random", True, effect)]
        return pa.Table.from_pandas(pd.DataFrame(rows, columns=["direction", "control", "effect"]))


def test_the_control_is_that_of_the_evaluations_of_supervised_directions(flow):
    """Principal components have random directions of their own, of other norms."""
    [evaluation] = flow.catalog.evaluations
    finders = evaluation.edit.finders
    supervised, unsupervised = (
        [finder for finder in finders if all(name.startswith("component-") for name in finder.names) is alone]
        for alone in (False, True)
    )
    assert supervised and unsupervised

    def of(*some):
        edit = replace(evaluation.edit, finders=some)
        return replace(evaluation, scored=replace(evaluation.scored, edit=edit))

    control, components = of(finders[-1]), of(*unsupervised)
    compared = replace(of(*supervised), control=control)
    store = Planted([(compared, 0.1), (control, 0.2), (components, 0.9)])
    assert of_controls(store, compared, "effects.parquet")["effect"].tolist() == [0.1, 0.2]
    assert of_controls(store, components, "effects.parquet")["effect"].tolist() == [0.9]

    catalog = replace(flow.catalog, evaluations=(components, compared, control))
    rows = [{"name": name, "attribute": name.split("/")[0]} for name in supervised[0].names]
    assert catalog._controls(store, rows)["effect"].tolist() == [0.1, 0.2]


def test_who_was_allowed_to_judge_is_recorded(flow):
    catalog = flow.catalog
    [evaluation] = catalog.evaluations
    names = [judge.name for judge in evaluation.judges]
    assert catalog._catalog([], []).evaluations[0].allowed == []
    allowed = replace(catalog, evaluations=(replace(evaluation, allowed=(names[1], "elsewhere")),))
    assert allowed._catalog([], []).evaluations[0].allowed == [names[1]]


def test_a_direction_says_whether_its_strength_was_verified_and_is_in_the_valid_range(folder):
    row = {"name": "smile/ridge", "method": "ridge", "attribute": "smile", "norm": 1.0, "parents": None}
    profile = {
        "valid_low": -1.0,
        "valid_high": 1.0,
        "strength_per_sd": 0.5,
        "strength_by": "fall",
        "strength_in_range": False,
        "verified": None,
    }
    found = _direction(row, profile)
    assert found.strength_by == "fall"
    assert (found.strength_per_sd, found.strength_in_range, found.verified, found.valid_range) == (
        0.5,
        False,
        False,
        [-1.0, 1.0],
    )
    assert _direction(row, {**profile, "verified": True}).verified is True
    assert _direction(row, {}).verified is None
    table = pq.read_table(folder / "profiles.parquet").to_pylist()
    profiles = {row["direction"]: row for row in table}
    for each in Catalog.model_validate_json((folder / "catalog.json").read_text()).directions:
        assert each.verified is bool(profiles[each.name]["verified"])
        assert each.strength_in_range is profiles[each.name]["strength_in_range"]
