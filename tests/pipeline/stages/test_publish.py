"""A catalog explains itself: its files agree, its sums hold, and the lines on its card apply a direction with plain diffusers."""

import hashlib
import io
import json
import re
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file

from pipeline.annotators.registry import annotator
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.recommended import RULE
from pipeline.catalog.summary import Summary
from pipeline.engine import machines, provenance
from pipeline.errors import UserError
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.publish import _direction, cosines
from schemas.catalog import SCHEMA_FILE, Catalog
from schemas.published import CATALOG_FILES
from tests.pipeline.making import made


@pytest.fixture(scope="module")
def folder(flow, store):
    return store.folder(flow.catalog)


def test_the_files_agree_on_what_there_is(folder):
    catalog = Catalog.model_validate_json((folder / "catalog.json").read_text())
    vectors = load_file(folder / "directions.safetensors")
    table = pd.read_parquet(folder / "directions.parquet")
    names = [direction.name for direction in catalog.directions]
    assert [(each.point, each.shape) for each in catalog.captures] == [("mid_block", [16, 8, 8])]
    assert {direction.capture for direction in catalog.directions} == {"mid_block"}
    assert names == table["name"].tolist() and set(names) == set(vectors)
    assert {name for name in pd.read_parquet(folder / "effects.parquet")["direction"] if "/" in name} == set(names)
    for row in table.itertuples():
        vector = vectors[row.name]
        assert vector.dtype == np.float32 and vector.shape == (catalog.sampling.steps, 16, 8, 8)
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
    elsewhere = ("run.toml", "choice.parquet", "provenance.parquet")  # wired from settings, or of merged catalogs
    by_hand = [file.name for file in CATALOG_FILES if file.name not in elsewhere]
    assert sorted(path.name for path in folder.iterdir()) == sorted(by_hand)


def test_it_says_which_direction_of_an_attribute_to_use_and_by_what_rule(folder):
    catalog = DirectionCatalog.open(folder)
    assert catalog.about.recommended_by == RULE
    said = {each.attribute: each.direction for each in Summary.of(catalog).recommended}
    assert said and catalog.about.recommended == said
    assert all(catalog[attribute].name == name for attribute, name in said.items())


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
        more = replace(catalog.profiles, finders=(*catalog.finders, PrincipalComponents(catalog.sample, 2)))
        replace(catalog, profiles=more).check()


def test_directions_at_two_points_have_no_cosine():
    """Not even where h has the same shape at both: it has other axes."""
    rows = [
        {"name": name, "attribute": "smile", "capture": point}
        for name, point in (("a", "mid_block"), ("b", "mid_block"), ("c", "up_blocks.0"), ("d", "up_blocks.1"))
    ]
    vectors = {name: np.ones((2, 3 if name == "d" else 4)) for name in "abcd"}
    assert [(row["direction"], row["other"]) for row in cosines(rows, vectors)] == [("a", "b"), ("b", "a")]


def test_cosines_are_to_the_other_directions_of_the_attribute(folder):
    table = pd.read_parquet(folder / "directions.parquet").set_index("name")
    cosines = pd.read_parquet(folder / "cosines.parquet").set_index(["direction", "other"])["cosine"]
    vectors = load_file(folder / "directions.safetensors")
    supervised = table[table["attribute"].notna()]["attribute"]
    pairs = [(a, b) for a in supervised.index for b in supervised.index if a != b and supervised[a] == supervised[b]]
    assert sorted(cosines.index) == sorted(pairs) and len(pairs) > 10
    for a, b in pairs:
        product = vectors[a].ravel() @ vectors[b].ravel() / np.linalg.norm(vectors[a]) / np.linalg.norm(vectors[b])
        assert cosines[a, b] == pytest.approx(product, abs=1e-5)


def test_what_figures_are_compared_with_is_published_too(flow):
    [evaluation] = flow.catalog.evaluations
    control = replace(evaluation, scored=replace(evaluation.scored, edit=replace(evaluation.edit, n=3)))
    beside = replace(evaluation, control=control)
    alone = replace(flow.catalog, profiles=replace(flow.catalog.profiles, evaluations=(beside,)), transfers=())
    with pytest.raises(UserError, match="publishes what its figures are compared with"):
        alone.check()


def test_a_row_says_of_which_evaluation_it_is(folder):
    catalog = Catalog.model_validate_json((folder / "catalog.json").read_text())
    [evaluation] = catalog.evaluations
    for name in ("effects.parquet", "preservation.parquet"):
        table = pd.read_parquet(folder / name)
        assert set(table["evaluation"]) == {0}
        assert set(table.loc[~table["control"], "direction"]) - {"unedited"} == set(evaluation.directions)
    assert evaluation.controls == 2 and evaluation.control is None
    assert (evaluation.embedder, evaluation.foreground) == ("portraits-judge", "box-4-4-12-12")


def test_thumbnails_are_what_was_edited(folder, flow, store):
    [evaluation] = flow.catalog.evaluations
    shown = pd.read_parquet(folder / "thumbnails.parquet")
    held_out = shown[shown["of"] == "held-out"]
    edits = store.table(evaluation.edit, "edits.parquet").to_pandas()
    edits = edits[~edits["control"]]
    key = ["direction", "strength_index", "sample_id"]
    assert sorted(map(tuple, held_out[key].to_numpy())) == sorted(map(tuple, edits[key].to_numpy()))
    both = held_out.merge(edits, on=key, suffixes=("", "_edited"))
    for row in both.itertuples():
        small, large = (
            np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB")).astype(int)
            for cell in (row.image, row.image_edited)
        )
        assert small.shape == large.shape and np.abs(small - large).mean() < 12, "a JPEG of the same image"
    assert shown["of"].value_counts()["sample"] == flow.catalog.sample.n
    own = shown[shown["of"] == "own"]
    assert set(own["direction"]) == set(flow.catalog.transfers[0].edit.names)
    assert sorted(set(own["strength_index"])) == [-1, 0, 1]


def test_who_was_allowed_to_judge_is_recorded(flow):
    catalog = flow.catalog
    [evaluation] = catalog.evaluations
    names = [judge.name for judge in evaluation.judges]
    assert catalog._catalog([], []).evaluations[0].allowed == []
    changed = replace(evaluation, allowed=(names[1], "elsewhere"))
    allowed = replace(catalog, profiles=replace(catalog.profiles, evaluations=(changed,)))
    assert allowed._catalog([], []).evaluations[0].allowed == [names[1]]


def test_a_direction_says_whether_its_strength_was_verified_and_is_in_the_valid_range(folder):
    row = {"name": "smile/ridge", "method": "ridge", "attribute": "smile", "norm": 1.0, "parents": None}
    row["capture"] = "mid_block"
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


def test_what_a_catalog_says_of_its_model_and_its_run_is_part_of_it(flow):
    """The same weights elsewhere make the same directions, and a catalog that says where they are now."""
    catalog = flow.catalog
    model = replace(catalog.sample.model, name="elsewhere/model")
    moved = replace(catalog, sample=replace(catalog.sample, model=model))
    assert moved.sample == catalog.sample and moved.fingerprint != catalog.fingerprint
    assert replace(catalog, run="samples = 3\n").fingerprint != catalog.fingerprint
    assert replace(catalog).fingerprint == catalog.fingerprint


def test_what_annotations_say_of_their_set_and_of_who_scored_is_part_of_them(of_images, tmp_path):
    report, published = of_images.report, of_images.published
    moved = replace(published.annotate, images=replace(published.annotate.images, path="/elsewhere/holidays"))
    assert moved == published.annotate, "the same files by name, size and time"
    again = replace(published, annotate=moved)
    assert again == published and replace(report, published=again) != report, "its page has the name of the set"

    (tmp_path / "hats.csv").write_text("file,hat\n0.png,1\n1.png,0\n")
    (tmp_path / "caps.csv").write_text("file,hat\n0.png,1\n1.png,0\n")
    by_hats, by_caps = (
        replace(published, annotate=replace(moved, annotators=(annotator(f"table:{tmp_path / file}+name=hand"),)))
        for file in ("hats.csv", "caps.csv")
    )
    assert by_hats.annotate == by_caps.annotate and by_hats != by_caps, "its README names the file"


@pytest.fixture
def published_again(flow, store, tmp_path, monkeypatch):
    """Publish the catalog and its explorer once more, of the same parts, on a CPU of this name: its folder, and the first page."""

    def publish(cpu: str) -> tuple[Path, str]:
        root = tmp_path / cpu.replace(" ", "-")
        shutil.copytree(store.root, root)
        for stage in (flow.catalog, flow):
            (root / stage.folder / "00000.json").unlink()
        monkeypatch.setattr(provenance, "cpu", lambda: cpu)
        again = made(root, flow)
        return again.folder(flow.catalog), again.text(flow, "index.html")

    return publish


def test_a_catalog_of_unlike_machines_says_so_on_its_card_and_in_its_explorer_and_names_no_host(
    folder, published_again
):
    another, page = published_again("Intel avx2")
    [note] = [
        note for note in Catalog.model_validate_json((another / "catalog.json").read_text()).notes if "unlike" in note
    ]
    assert note.startswith("Parts of this run were made on unlike machines (CPU: ") and "Intel avx2" in note
    assert note in (another / "README.md").read_text() and "unlike machines (CPU: " in page
    for name in ("catalog.json", "README.md"):
        assert socket.gethostname() not in (another / name).read_text().split(), name
    same = {path.name for path in folder.iterdir() if path.read_bytes() == (another / path.name).read_bytes()}
    assert {path.name for path in folder.iterdir()} - same == {"catalog.json", "README.md", "SHA256SUMS"}


def test_a_catalog_of_machines_alike_has_the_same_bytes_and_nothing_to_say(folder, published_again):
    again, page = published_again(machines.cpu())
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    assert "unlike" not in (again / "catalog.json").read_text() + page


def test_every_file_says_which_version_it_is_of(folder):
    """Version 6; who reads it reads the one before, too: tests/test_frozen_catalog.py."""
    assert json.loads((folder / "catalog.json").read_text())["schema_version"] == 6
    for path in folder.glob("*.parquet"):
        assert pq.read_schema(path).metadata[b"schema_version"] == b"6", path.name
    with safe_open(folder / "directions.safetensors", "numpy") as vectors:
        assert vectors.metadata()["schema_version"] == "6"
