"""A catalog explains itself: its files agree, its sums hold, and the lines on its card apply a direction with plain diffusers."""

import hashlib
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel, VQModel
from safetensors.numpy import load_file

from pipeline.errors import UserError
from pipeline.stages.card import card
from pipeline.stages.principal_components import PrincipalComponents
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
        by_effects = "" if row["trials"] is None else "-by-effects"
        assert name == f"{v_0}/disentangled{by_effects}" and 0 < row["norm_kept"] <= 1
        assert len(row["taken"]) == len(others) and row["condition_number"] >= 1
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
    exec(re.sub(r"unit = (.*), [-\d.]+, ([-\d.]+)\n", r"unit = \1, 0.0, \2\n", code), plain)
    assert edited["images"].shape == plain["images"].shape == (4, 3, 16, 16)
    assert edited["gamma"] != plain["gamma"] == 0
    assert (edited["x_t"] - plain["x_t"]).abs().max() > 1e-4


@pytest.mark.parametrize("capture", ["after", "before", "middle"])
@pytest.mark.parametrize("kind", ["VQModel", "AutoencoderKL"])
def test_the_lines_on_the_card_apply_a_direction_of_a_latent_conditional_model(
    folder, tmp_path, monkeypatch, capture, kind
):
    """Another model in the catalog's place: h has the same shape at all its capture points."""
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        cross_attention_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    networks = {"VQModel": VQModel, "AutoencoderKL": AutoencoderKL}
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    autoencoder = networks[kind](latent_channels=3, block_out_channels=(8, 8), norm_num_groups=4, **blocks)
    unet.save_pretrained(tmp_path / "unet")
    autoencoder.save_pretrained(tmp_path / ("vqvae" if kind == "VQModel" else "vae"))
    DDIMScheduler().save_pretrained(tmp_path / "scheduler")

    catalog = Catalog.model_validate_json((folder / "catalog.json").read_text())
    model = catalog.model.model_copy(
        update={
            "unet": {**unet.config, "_class_name": "UNet2DConditionModel"},
            "autoencoder": {**autoencoder.config, "_class_name": kind},
        }
    )
    changed = catalog.model_copy(update={"model": model, "capture": capture})
    text = card(changed, pd.read_parquet(folder / "effects.parquet"))
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(folder)
    made = {}
    exec(code.replace("path/to/model", str(tmp_path)), made)
    assert made["images"].shape == (4, 3, 32, 32)


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
