"""Invert writes what Sample writes, of real images: their order, their h step by step, what is hashed and what is refused."""

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline import images
from pipeline.errors import UserError
from pipeline.runner import plan
from pipeline.stages.annotate import Annotate, annotator
from pipeline.stages.catalog import Catalog
from pipeline.stages.invert import Invert
from pipeline.stages.mean_difference import MeanDifference
from pipeline.stages.source import decode
from pipeline.store import Store
from schemas.activations import activations_schema, h_array
from schemas.samples import SAMPLES

FRIENDLY = {"method": "edit-friendly", "eta": 1.0}


@pytest.fixture(scope="module")
def invert(model, real) -> Invert:
    return Invert(model, steps=3, batch=8, images=real)


@pytest.fixture(scope="module")
def makes(tmp_path_factory):
    """Makes an Invert in a folder of its own, in this process."""

    def make(invert: Invert) -> Store:
        store = Store(tmp_path_factory.mktemp("inverted"))
        loaded = invert.setup()
        for part in range(invert.n_parts):
            with store.part(invert, part) as out:
                invert.process(part, store, loaded, out)
        return store

    return make


@pytest.fixture(scope="module", params=[{}, FRIENDLY, {"iterations": 2}], ids=["ddim", "edit-friendly", "refined"])
def made(request, invert, makes) -> tuple[Invert, Store]:
    stage = replace(invert, **request.param)
    return stage, makes(stage)


def activations(store: Store, stage: Invert) -> tuple[np.ndarray, np.ndarray]:
    """(T, n) sample_id and (T, n, D) h."""
    tables = []
    for part in range(stage.n_parts):
        with store.parquet(stage, "activations.parquet", part) as file:
            assert file.num_row_groups == stage.steps
            tables.append([file.read_row_group(step) for step in range(stage.steps)])
    steps = [pa.concat_tables([part[step] for part in tables]) for step in range(stage.steps)]
    return np.stack([step["sample_id"] for step in steps]), np.stack([h_array(step["h"]) for step in steps])


def test_samples_are_the_images_as_the_model_sees_them(made, real):
    stage, store = made
    table = store.table(stage, "samples.parquet")
    assert table.schema.equals(SAMPLES, check_metadata=True)
    assert table["sample_id"].to_pylist() == list(range(10)) and stage.n_parts == 2
    names, seen = real.open().read(range(10), 16, 16)
    assert [cell["path"] for cell in table["image"].to_pylist()] == names
    assert (decode(table) == seen).all()


def test_row_group_k_is_step_k_whichever_way_the_steps_were_visited(made):
    stage, store = made
    for part in range(stage.n_parts):
        with store.parquet(stage, "activations.parquet", part) as file:
            assert file.schema_arrow.equals(activations_schema((16, 8, 8)), check_metadata=True)
            for step, timestep in enumerate(stage.reverse_process.timesteps):
                group = file.read_row_group(step)
                assert set(group["step"].to_pylist()) == {step}
                assert set(group["timestep"].to_pylist()) == {timestep}
    ids, h = activations(store, stage)
    assert (ids == np.arange(10)).all() and h.shape == (3, 10, 16 * 8 * 8)
    assert len(np.unique(h.reshape(30, -1), axis=0)) == 30


def test_an_image_is_inverted_the_same_in_another_batch(made, makes):
    stage, store = made
    smaller = replace(stage, batch=3)
    np.testing.assert_allclose(
        *(activations(*pair)[1] for pair in [(store, stage), (makes(smaller), smaller)]), atol=0.02
    )


def test_the_seed_matters_where_noise_is_drawn(made, makes):
    stage, store = made
    other = replace(stage, seed=1)
    same = np.array_equal(activations(store, stage)[1], activations(makes(other), other)[1])
    assert same == (stage.method == "ddim")


# What is hashed


def test_a_moved_folder_is_recognised_and_a_changed_image_too(invert, real, tmp_path):
    moved = shutil.copytree(real.path, tmp_path / "moved")
    assert replace(invert, images=images.find(moved)).fingerprint == invert.fingerprint
    Image.new("RGB", (48, 48)).save(moved / "3.png")
    assert replace(invert, images=images.find(moved)).fingerprint != invert.fingerprint


def test_what_changes_the_bytes_changes_the_fingerprint(invert):
    changes = [
        {},
        FRIENDLY,
        {**FRIENDLY, "eta": 0.5},
        {"iterations": 2},
        {"steps": 4},
        {"batch": 4},
        {"point": "before"},
    ]
    assert len({replace(invert, **change).fingerprint for change in changes}) == len(changes)


def test_an_image_that_changes_while_the_job_runs_is_refused(invert, real, tmp_path):
    moved = shutil.copytree(real.path, tmp_path / "moved")
    stage = replace(invert, images=images.find(moved))
    loaded = stage.setup()
    Image.new("RGB", (48, 48)).save(moved / "3.png")
    with pytest.raises(UserError, match=r"3.png has changed since it was first read"):
        stage.process(0, Store(tmp_path), loaded, tmp_path)


# What is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eta": 1.0}, "DDIM inversion needs eta = 0, found 1.0. Use the edit-friendly inversion"),
        ({"method": "edit-friendly"}, "needs eta > 0 at every step, found 0.0. Use eta = 1"),
        ({"method": "edit-friendly", "eta": (1.0, 0.0, 1.0)}, "needs eta > 0 at every step"),
        ({"method": "null-text"}, "'null-text' is no inversion; expected one of ddim, edit-friendly"),
        ({"iterations": 0}, "0 iterations of the ddim inversion: expected at least 1"),
        ({**FRIENDLY, "iterations": 2}, "2 iterations of the edit-friendly inversion"),
        ({"steps": 0}, "T = 0 steps: expected 1 to 1000"),
        ({"batch": 0}, "10 samples in batches of 0"),
        ({"dtype": "int8"}, "'int8' is no precision"),
    ],
)
def test_settings_that_cannot_work(invert, settings, message):
    with pytest.raises(UserError, match=message):
        replace(invert, **settings).check()


def test_too_few_images_for_a_direction(invert):
    finder = MeanDifference(Annotate(invert, (annotator("portraits"),)), "portraits", ("smile",), 6)
    with pytest.raises(UserError, match="need 12 samples, and there will be 10.\nLower --top or give more images."):
        finder.check()


# With the stages that read it


def test_a_catalog_of_real_images_says_so_and_how_its_directions_are_applied(flow, invert):
    made = flow.catalog
    catalog = Catalog(invert, made.finders, made.evaluations)._catalog([])
    assert (catalog.sampling.found_in, catalog.sampling.n) == ("real images", 10)
    assert catalog.sampling.eta == made.evaluations[0].edit.sample.eta == 1.0


def test_effects_wait_for_the_samples_that_they_are_measured_by(flow, tmp_path):
    [evaluation] = flow.catalog.evaluations
    sample = evaluation.edit.sample
    assert {(sample, part) for part in range(sample.n_parts)} <= set(evaluation.needs(0))
    assert any(each.stage == sample and each.todo for each in plan([flow], Store(tmp_path)))
