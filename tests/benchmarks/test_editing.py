"""What the benchmark of editing computes; its timings are its own."""

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMScheduler

from benchmarks.editing import CASES, JUDGE, Pipe, edit, loop, median_within, unit
from pipeline.catalog.direction_catalog import DirectionCatalog
from tests.pipeline.catalog.planted_catalogs import PER_SD, STOCHASTIC, loaded, planted_catalog, planted_model


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A model's folder and its catalog."""
    folder = tmp_path_factory.mktemp("planted")
    model = planted_model(folder / "model")
    return model, DirectionCatalog.from_pretrained(planted_catalog(folder / "catalog", model))


def test_its_loop_is_what_a_pipeline_does(planted):
    unet, scheduler = loaded(planted[0])
    pipe = DDIMPipeline(unet, scheduler)
    generator = torch.Generator().manual_seed(0)
    x_T = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    images = pipe(batch_size=2, num_inference_steps=3, generator=generator, output_type="np").images
    found = (loop(unet, scheduler, 3, x_T) / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    torch.testing.assert_close(found, torch.from_numpy(images), rtol=1e-4, atol=1e-5)


def test_it_edits_at_the_strengths_of_the_kind_that_it_names(planted):
    """The catalog's own, and those that `catalog.edit` takes by itself."""
    model, catalog = planted
    unet, scheduler = loaded(model)
    name = catalog["smile"].name
    for kind, sampler, per_sd in (
        (DDIMScheduler, None, PER_SD[name]),
        (DDPMScheduler, None, STOCHASTIC[name]),
        (DDPMScheduler, "deterministic", PER_SD[name]),
    ):
        pipe = Pipe(unet, kind.from_config(scheduler.config))
        [addition] = edit(catalog, {"smile": 1.0}, sampler, pipe).additions.values()
        torch.testing.assert_close(addition.vectors[0], per_sd * torch.from_numpy(catalog[name].vector))


def test_the_interval_of_the_median_holds_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    draws = [median_within(rng.exponential(size=101) - np.log(2)) for _ in range(400)]
    assert all(low <= middle <= high for low, middle, high in draws)
    assert 0.92 < np.mean([low <= 0 <= high for low, _, high in draws]) < 0.98


def test_the_unit_is_a_standard_deviation_as_the_catalogs_judge_has_it():
    rows = [("smile", 0.5, 1.0), ("smile", 0.01, 0.9), ("smile", -1.0, -2.0), ("age", 1.0, 7.0)]
    table = pd.DataFrame(rows, columns=["attribute", "effect", "raw"]).assign(judge=JUDGE)
    catalog = DirectionCatalog({"effects.parquet": table.to_parquet()}.__getitem__, frozenset())
    assert (unit(catalog, "smile"), unit(catalog, "age")) == (pytest.approx(2.0), pytest.approx(7.0))


def test_every_sampler_takes_the_models_own_configuration():
    for case in CASES.values():
        scheduler = case.kind.from_config(DDIMScheduler(prediction_type="v_prediction").config, **case.settings)
        scheduler.set_timesteps(case.steps)
        assert scheduler.config.prediction_type == "v_prediction" and len(scheduler.timesteps) == case.steps
