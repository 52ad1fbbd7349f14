"""Image-specific directions: what is read, kept and refused, and how long a direction is."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file

from pipeline.annotators.base import presence_of
from pipeline.annotators.landmarks import Landmarks
from pipeline.annotators.regions import Box
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.formats.images import decode
from pipeline.hspace.jacobian import jacobian_subspace, masked
from pipeline.stages.finders.jacobian_directions import JacobianDirections
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.measures.edit_origins import EditOrigins
from pipeline.stages.sources.activations import read_step

REGION = Box(2, 2, 12, 10)


@pytest.fixture(scope="module")
def distinct(finders) -> JacobianDirections:
    return finders.distinct


@pytest.fixture(scope="module")
def subspaces(distinct) -> JacobianSubspaces:
    return distinct.subspaces


@pytest.fixture(scope="module")
def store(made_of, distinct) -> Store:
    return made_of(distinct)


def all_of(store, subspaces: JacobianSubspaces) -> dict[str, np.ndarray]:
    parts = [store.vectors(subspaces, "subspaces.safetensors", part) for part in range(subspaces.n_parts)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


# Subspaces


def test_a_subspace_is_that_of_the_masked_eps_of_its_sample_at_its_step(subspaces, store):
    found, source = all_of(store, subspaces), subspaces.sample
    assert found["sample_id"].tolist() == [0, 9, 3] and found["vectors"].shape == (3, 2, 2, 16, 8, 8)
    model, process = source.load(), source.reverse_process
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 2:10, 2:12] = 1
    states = process.states(model.denoiser, source.noise(model, [9]))
    x_t = next(x_t for step, x_t in states if step == 2)
    with model.denoiser.decoder(x_t, process.timesteps[2]) as (decoder, h):
        eps = lambda h: process.predict(2, x_t, decoder(h))[1]  # noqa: E731
        expected = jacobian_subspace(masked(eps, mask), h, 2, tolerance=1e-5)
    values, vectors = found["singular_values"][1, 1], found["vectors"][1, 1]
    assert values == pytest.approx(expected.S[0].numpy(), rel=1e-3)
    cosines = torch.linalg.svdvals(torch.from_numpy(vectors).flatten(1) @ expected.Vt[0].flatten(1).mT)
    assert cosines.min() > 0.999
    assert found["residuals"].max() <= subspaces.tolerance


def test_parts_are_named_by_their_samples_so_that_longer_lists_find_them(subspaces, store):
    longer = replace(subspaces, samples=(0, 9, 4, 5))
    assert longer.folder == subspaces.folder
    assert [longer.part_name(part) for part in range(2)] == ["0-9", "4-5"]
    assert store.missing(longer) == [1]
    more = replace(subspaces, sample=replace(subspaces.sample, n=40))
    assert more.folder == subspaces.folder and not store.missing(more)


def test_directions_depend_on_which_samples_were_looked_at(subspaces, distinct):
    other = replace(distinct, subspaces=replace(subspaces, samples=(0, 9)))
    assert other.folder != distinct.folder


def test_a_mask_is_a_setting(subspaces):
    folders = {replace(subspaces, mask=mask).folder for mask in (None, REGION, Box(0, 0, 4, 4), Landmarks("eyes"))}
    assert len(folders) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"samples": (20,)}, "There is no sample 20: expected 0 to 19"),
        ({"samples": ()}, "at least one sample"),
        ({"samples": (1, 1)}, "each once"),
        ({"at": (3,)}, "There is no step 3: expected 0 to 2"),
        ({"at": (2, 0)}, "ascending"),
        ({"at": ()}, "ascending"),
        ({"k": 0}, "0 directions"),
        ({"k": 2, "block": 3}, "in blocks of 3"),
        ({"tolerance": 0.0}, "tolerance above 0"),
        ({"mask": Box(0, 0, 17, 4)}, "does not lie in images of 16 x 16"),
    ],
)
def test_settings_that_cannot_work_are_refused(subspaces, change, said):
    with pytest.raises(UserError, match=said):
        replace(subspaces, **change).check()


def test_samples_without_the_region_are_left_out_and_if_all_are_it_says_so(subspaces, distinct, made_of):
    """The tiny model's samples are noise: no detector finds a face there."""
    faces = replace(subspaces, mask=Landmarks("mouth"), samples=(0, 9))
    made = made_of(faces)
    found = made.vectors(faces, "subspaces.safetensors", 0)
    assert np.isnan(found["vectors"]).all() and np.isnan(found["masks"]).all()
    with pytest.raises(UserError, match="None of the 2 samples has the region 'mouth'"):
        replace(distinct, subspaces=faces).process(0, made, None, made.root)


# Directions


def test_one_unit_of_strength_is_one_standard_deviation_of_h_at_every_step(distinct, store):
    vectors = store.vectors(distinct)
    for name in distinct.names:
        for step in range(3):
            _, h = read_step(store, distinct.scale, step)
            v = vectors[name][step].ravel().astype(float)
            assert (h.astype(float) @ v / np.linalg.norm(v)).std() == pytest.approx(np.linalg.norm(v), rel=1e-3)


def test_a_direction_says_where_it_was_found_and_for_how_many_it_stands(distinct, subspaces, store):
    found = all_of(store, subspaces)
    for row in store.table(distinct, "directions.parquet").to_pylist():
        i, at = found["sample_id"].tolist().index(row["sample_id"]), subspaces.at.index(row["step"])
        j = found["singular_values"][i, at].tolist().index(row["singular_value"])
        v = store.vectors(distinct)[row["name"]][0].ravel()
        assert abs(v @ found["vectors"][i, at, j].ravel()) / np.linalg.norm(v) == pytest.approx(1, abs=1e-5)
        assert row["mask"] == REGION.name and 1 <= row["found"] <= 12 and row["n"] == 3 and row["share"] is None
        assert row["method"] == "jacobian" and row["attribute"] is None


def test_mean_directions_have_a_share_and_no_sample_of_their_own(finders, made_of):
    [row] = made_of(finders.mean).table(finders.mean, "directions.parquet").to_pylist()
    assert 1 / 6 < row["share"] <= 1 and row["sample_id"] is None and row["found"] is None
    assert row["name"] == f"{REGION.name}-0/mean-jacobian"


def test_at_its_own_step_a_direction_is_zero_at_all_others(distinct, store, tmp_path):
    own = replace(distinct, applied="own", similar=0.99)
    own.process(0, store, None, tmp_path)
    vectors = load_file(tmp_path / "directions.safetensors")
    for row in pq.read_table(tmp_path / "directions.parquet").to_pylist():
        assert np.flatnonzero(vectors[row["name"]].any(axis=(1, 2, 3))).tolist() == [row["step"]]
        assert row["name"].endswith("/jacobian-own-step")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n": 3}, "3 directions of subspaces of 2"),
        ({"kind": "median"}, "expected distinct or mean"),
        ({"kind": "mean", "applied": "own"}, "no step of its own"),
        ({"similar": 0.0}, "above 0"),
    ],
)
def test_directions_that_cannot_be_are_refused(distinct, change, said):
    with pytest.raises(UserError, match=said):
        replace(distinct, **change).check()


def test_more_distinct_directions_than_there_are_is_an_error(distinct, store, tmp_path):
    with pytest.raises(UserError, match=r"has \d distinct directions, and 2 were asked for"):
        replace(distinct, similar=1e-9).process(0, store, None, tmp_path)


# What they do


def test_the_origin_of_a_direction_is_the_sample_itself(measured, made_of):
    origins = measured.transfer.edit
    store = made_of(origins)
    unedited = store.table(origins, "edits.parquet", 0)
    samples = store.table(origins.sample, "samples.parquet").to_pandas().set_index("sample_id")
    found_on = {
        row["name"]: row["sample_id"] for row in store.table(origins.finders[0], "directions.parquet").to_pylist()
    }
    assert set(unedited["sample_id"].to_pylist()) == set(found_on.values())
    for row, image in zip(unedited.to_pylist(), decode(unedited), strict=True):
        stored = decode(store.table(origins.sample, "samples.parquet", row["sample_id"] // 8))
        assert np.abs(image.astype(int) - stored[row["sample_id"] % 8]).max() <= 1  # another batch, so rounding
    assert len(samples) == 20
    edits = [table.select(["direction", "strength", "sample_id"]).to_pylist() for table in origins.edited(store)]
    assert edits == [
        [{"direction": name, "strength": gamma, "sample_id": found_on[name]}]
        for name in origins.names
        for gamma in (-1, 1)
    ]


def test_transfer_and_locality_cover_every_direction_and_strength(measured, made_of):
    transfer, locality, evaluation = measured.transfer, measured.locality, measured.evaluation
    store = made_of(transfer, locality, evaluation)
    table = store.table(transfer, "transfer.parquet").to_pandas()
    assert set(table["direction"]) == set(transfer.edit.names)
    assert len(table) == 2 * 2 * sum(len(judge.attributes) - bool(presence_of(judge)) for judge in evaluation.judges)
    table = table[table["judge"] == evaluation.judge.name]
    assert table["same_way"].between(0, 1).all() and (table["n"] == 4).all()
    held_out = store.table(evaluation, "effects.parquet").to_pandas()
    both = table.merge(held_out, on=["direction", "strength_index", "judge", "attribute"])
    assert len(both) == len(table) and both["others"].to_numpy() == pytest.approx(both["effect"].to_numpy(), abs=1e-5)

    local = store.table(locality, "locality.parquet").to_pandas()
    assert len(local) == 2 * len(locality.edit.names)
    inside = np.zeros((16, 16), bool)
    inside[2:10, 2:12] = True
    edits = next(locality.edit.edited(store))
    change = np.square(decode(edits).astype(float) - decode(locality.edit.unedited(store))).mean(axis=(0, 3))
    row = local.iloc[0]
    assert (row["direction"], row["strength"]) == (edits["direction"][0].as_py(), edits["strength"][0].as_py())
    assert row["ratio"] == pytest.approx(change[inside].mean() / change[~inside].mean(), rel=1e-4)


def test_origins_need_directions_that_were_found_on_a_sample(finders, made_of, tmp_path):
    store, mean = made_of(finders.mean), finders.mean
    origins = EditOrigins(mean.scale, (mean,), (1.0,))
    with pytest.raises(UserError, match="found on no sample of its own"):
        origins.process(1, store, origins.setup(), tmp_path)


# Real images


def test_real_images_have_jacobians_too(sources, made_of):
    source = sources.inverted
    subspaces = JacobianSubspaces(source, (1, 4), (1,), 2)
    directions = JacobianDirections(subspaces, source, 1)
    origins = EditOrigins(source, (directions,), (0.001,))
    store = made_of(origins)
    found = store.vectors(subspaces, "subspaces.safetensors", 0)
    assert np.isfinite(found["vectors"]).all() and (found["singular_values"] > 0).all()
    edited, unedited = (store.table(origins, "edits.parquet", part) for part in (1, 0))
    back = decode(unedited)[0].astype(int)
    assert np.abs(decode(edited)[0] - back).max() <= 2  # almost nothing was added
    stored = decode(store.table(source, "samples.parquet"))
    errors = np.square(stored.astype(float) - back).mean(axis=(1, 2, 3))
    assert errors.argmin() == unedited["sample_id"][0].as_py()  # it is that image that came back
