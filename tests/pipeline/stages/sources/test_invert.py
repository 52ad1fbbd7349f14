"""Invert writes what Sample writes, of real images: their order, their h step by step, what is hashed and what is refused.

With latent models, too.
"""

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from pipeline.annotators.registry import annotator
from pipeline.engine.plan import plan
from pipeline.engine.stage import one
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.formats.images import decode
from pipeline.hspace import inversion
from pipeline.hspace.inversion import Inverted
from pipeline.hspace.noise import NoiseStreams
from pipeline.imagesets import image_set
from pipeline.models import pretrained
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.publish import Catalog
from pipeline.stages.sources.invert import Invert
from schemas.activations import activations_schema
from schemas.samples import SAMPLES
from tests.pipeline.planted_models import save_latent

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
        with pq.ParquetFile(store.folder(stage, part) / "activations.parquet") as file:
            assert file.num_row_groups == stage.steps
            tables.append([file.read_row_group(step) for step in range(stage.steps)])
    steps = [pa.concat_tables([part[step] for part in tables]) for step in range(stage.steps)]
    h = [[np.frombuffer(row, "<f2") for row in step["h"].to_pylist()] for step in steps]
    return np.stack([step["sample_id"] for step in steps]), np.array(h)


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
        with pq.ParquetFile(store.folder(stage, part) / "activations.parquet") as file:
            schema = activations_schema((16, 8, 8))
            assert file.schema_arrow.equals(schema) and file.schema_arrow.metadata.items() > schema.metadata.items()
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


# Latent models


@pytest.fixture(scope="module", params=["vqvae", "vae"])
def latent(request, tmp_path_factory) -> pretrained.Model:
    """An untrained latent model: images 3 x 16 x 16, latents 3 or 4 x 8 x 8, h 16 x 4 x 4."""
    folder = save_latent(tmp_path_factory.mktemp(request.param), request.param)
    return pretrained.find(str(folder))


@pytest.fixture(scope="module")
def seen(real) -> np.ndarray:
    """The real images as both tiny models see them: (10, 16, 16, 3) uint8."""
    return real.open().read(range(10), 16, 16)[1]


def inverted(
    stage: Invert, loaded: pretrained.LoadedModel, x_0: torch.Tensor
) -> tuple[Inverted, dict[int, np.ndarray]]:
    """The noise of latents, and h (n, D) by step: without the stage."""
    h: dict[int, np.ndarray] = {}
    process, noise = stage.reverse_process, NoiseStreams(stage.seed, range(len(x_0)), stage.model.x_shape)

    def on_h(step: int, timestep: int, h_t: torch.Tensor) -> None:
        h[step] = h_t.flatten(1).numpy()

    if stage.method == "ddim":
        return inversion.ddim(process, loaded.denoiser, x_0, on_h=on_h), h
    return inversion.edit_friendly(process, loaded.denoiser, x_0, noise, on_h), h


@pytest.mark.parametrize("settings", [{}, FRIENDLY], ids=["ddim", "edit-friendly"])
def test_a_latent_model_inverts_latents_and_keeps_the_images(latent, invert, makes, seen, settings):
    stage = replace(invert, model=latent, **settings)
    stage.check()
    store = makes(stage)
    samples = store.table(stage, "samples.parquet")
    assert (decode(samples) == seen).all(), "the real ones, not what the autoencoder makes of them"
    ids, h = activations(store, stage)
    assert (ids == np.arange(10)).all() and h.shape == (3, 10, 16 * 4 * 4)

    loaded, _ = stage.setup()
    _, expected = inverted(stage, loaded, loaded.from_images(seen))
    np.testing.assert_allclose(h, np.stack([expected[step] for step in range(3)]), rtol=2e-3, atol=2e-3)
    assert np.abs(h - np.roll(h, 1, axis=1)).max(axis=2).min() > 0.01, "every image has its own"


def test_edit_friendly_noise_makes_the_latents_again(latent, invert, seen):
    """So what the autoencoder alone makes of a real image is what an edit of it is compared with."""
    stage = replace(invert, model=latent, **FRIENDLY)
    loaded, _ = stage.setup()
    x_0 = loaded.from_images(seen)
    assert x_0.shape == (10, *latent.x_shape) and latent.x_shape[1:] == (8, 8)
    noise, _ = inverted(stage, loaded, x_0)
    x = stage.reverse_process.run(loaded.denoiser, noise)
    assert (x - x_0).abs().max() < 1e-5
    images = loaded.to_images(x_0)
    assert images.shape == (10, 16, 16, 3) and images.std() > 1
    assert np.abs(loaded.to_images(x).astype(int) - images).max() <= 1  # of rounding


# What is hashed


def test_a_moved_folder_is_recognised_and_a_changed_image_too(invert, real, tmp_path):
    moved = shutil.copytree(real.path, tmp_path / "moved")
    assert replace(invert, images=image_set.find(moved)).fingerprint == invert.fingerprint
    Image.new("RGB", (48, 48)).save(moved / "3.png")
    assert replace(invert, images=image_set.find(moved)).fingerprint != invert.fingerprint


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
    stage = replace(invert, images=image_set.find(moved))
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
    with pytest.raises(UserError, match="need 12 samples, and there will be 10.\nLower `top` or give more images."):
        finder.check()


# With the stages that read it


def test_a_catalog_of_real_images_says_so_and_how_its_directions_are_applied(flow, invert):
    made = flow.catalog
    catalog = Catalog(invert, made.profiles)._catalog([], [])
    assert (catalog.sampling.found_in, catalog.sampling.n) == ("real images", 10)
    assert catalog.sampling.eta == made.evaluations[0].edit.sample.eta == 1.0


def test_effects_wait_for_the_samples_that_they_are_measured_by(flow, tmp_path):
    [evaluation] = flow.catalog.evaluations
    sample = evaluation.edit.sample
    unedited = evaluation.unedited
    assert (unedited, range(sample.n_parts)) in evaluation.needs(0)
    assert one(sample) in unedited.needs(0)
    assert any(each.stage == sample and each.todo for each in plan([flow], Store(tmp_path)))
