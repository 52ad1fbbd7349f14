"""Directions applied: what comes out is what the engine's own edit makes, of samples and of real images."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.errors import UserError
from pipeline.hspace.edits import Add
from pipeline.hspace.noise import NoiseStreams
from pipeline.recipes.applied import Applier
from tests.pipeline.catalog.planted_catalogs import PER_SD, planted_catalog, planted_model
from tests.pipeline.planted_models import save_latent, unet

NAME = "smile/ridge/disentangled"  # the smile to use


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> tuple[Path, Path]:
    """A catalog, and the model that it is of."""
    folder = tmp_path_factory.mktemp("applied")
    model = planted_model(folder / "model")
    return planted_catalog(folder / "catalog", model, eta=1.0), model


@pytest.fixture(scope="module")
def applier(places) -> Applier:
    catalog, model = places
    return Applier.of(DirectionCatalog.from_pretrained(catalog), str(model))


def test_samples_are_those_of_the_engine_with_and_without_its_edit(applier):
    found = applier.to_samples({"smile": 1.5}, seed=3, n=2)
    vector = torch.from_numpy(applier.catalog[NAME].vector)

    def drawn(*edits: Add) -> np.ndarray:
        noise = NoiseStreams(3, range(2), applier.model.x_shape)
        return applier.loaded.to_images(applier.process.run(applier.loaded.denoiser, noise, edits))

    assert np.array_equal(found.unedited, drawn())
    expected = drawn(Add(vector, 1.5 * PER_SD[NAME]))
    assert np.abs(found.edited.astype(int) - expected).max() <= 1
    assert np.abs(found.edited.astype(int) - found.unedited).max() > 1


@pytest.mark.parametrize("strengths", [{}, {"smile": 1.5}, {"smile": 1.5, "glasses": -1.0}])
def test_an_edit_that_is_followed_ends_as_one_that_is_not_to_the_bit(applier, strengths):
    *steps, last = [images() for images in applier.followed(strengths, seed=3, n=2)]
    found = applier.to_samples(strengths, seed=3, n=2)
    assert np.array_equal(last, found.edited) and len(steps) == applier.steps - 1 == 3
    assert all(each.shape == last.shape and not np.array_equal(each, last) for each in steps)


def test_latents_are_decoded_at_every_step(tmp_path):
    model = save_latent(tmp_path / "model", "vae")
    applier = Applier.of(
        DirectionCatalog.from_pretrained(planted_catalog(tmp_path / "catalog", model)), str(model), device="cpu"
    )
    seen = [images() for images in applier.followed({"smile": 1.0}, seed=1)]
    assert [each.shape for each in seen] == [(1, 16, 16, 3)] * 4
    assert np.array_equal(seen[-1], applier.to_samples({"smile": 1.0}, seed=1).edited)


def test_an_edit_that_is_left_half_way_leaves_nothing_behind(applier):
    run = applier.followed({"smile": 1.5}, seed=3)
    next(run)
    run.close()
    assert not any(module._forward_hooks for module in applier.loaded.denoiser.unet.modules())


def test_a_device_that_is_not_there_is_refused_before_anything_is_loaded(places):
    with pytest.raises(UserError, match="no device 'gpu' here"):
        Applier.of(DirectionCatalog.from_pretrained(places[0]), str(places[1]), device="gpu")
    assert Applier.of(DirectionCatalog.from_pretrained(places[0]), str(places[1]), device="cpu").steps == 4


def test_a_real_image_comes_back_without_an_edit_and_changes_with_one(applier):
    image = np.random.default_rng(0).integers(0, 256, (*applier.size, 3), dtype=np.uint8)
    found = applier.to_image({"smile": 2.0}, image)
    assert np.abs(found.unedited[0].astype(int) - image).max() <= 1
    assert np.abs(found.edited[0].astype(int) - image).max() > 1


def test_nothing_is_edited_afterwards(applier):
    before = applier.to_samples({"smile": 0.0}, seed=0)
    assert np.array_equal(before.unedited, before.edited)


def test_another_model_is_refused_and_named(places, tmp_path):
    network = unet(sample_size=8)
    torch.nn.init.normal_(network.conv_in.weight)
    other = planted_model(tmp_path / "other", network)
    with pytest.raises(UserError, match=r"other has the weights \w{12}, and the catalog is of \w{12} \(a model\)"):
        Applier.of(DirectionCatalog.from_pretrained(places[0]), str(other))


def test_a_model_that_is_not_where_the_catalog_says_is_asked_for(places):
    with pytest.raises(UserError, match="a model"):
        Applier.of(DirectionCatalog.from_pretrained(places[0]))
