"""What the benchmark of editing computes; its timings are its own."""

import pandas as pd
import pytest
import torch
from diffusers import DDIMPipeline, DDIMScheduler

from benchmarks.editing import JUDGE, RULES, SAMPLERS, Pipe, by_rule, loop, unit
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.hspace.edits import at_timesteps
from tests.pipeline.catalog.planted_catalogs import PER_SD, loaded, planted_catalog, planted_model


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


@pytest.mark.parametrize("rule", RULES)
def test_its_rules_are_those_of_the_science(planted, rule):
    model, catalog = planted
    unet, scheduler = loaded(model)
    [addition] = by_rule(catalog, {"smile": 1.0}, rule, Pipe(unet, scheduler)).additions.values()
    name, made_at = catalog["smile"].name, catalog.about.sampling.timesteps
    wanted = [999, *made_at, 600, 100, 3]
    v = PER_SD[name] * torch.from_numpy(catalog[name].vector)
    found = addition.at(torch.tensor(wanted, dtype=torch.float32), torch.device("cpu"))
    torch.testing.assert_close(found[0], at_timesteps(v, made_at, wanted, rule))


def test_the_unit_is_a_standard_deviation_as_the_catalogs_judge_has_it():
    rows = [("smile", 0.5, 1.0), ("smile", 0.01, 0.9), ("smile", -1.0, -2.0), ("age", 1.0, 7.0)]
    table = pd.DataFrame(rows, columns=["attribute", "effect", "raw"]).assign(judge=JUDGE)
    catalog = DirectionCatalog({"effects.parquet": table.to_parquet()}.__getitem__, frozenset())
    assert (unit(catalog, "smile"), unit(catalog, "age")) == (pytest.approx(2.0), pytest.approx(7.0))


def test_every_sampler_takes_the_models_own_configuration():
    for kind, steps, settings, _ in SAMPLERS.values():
        scheduler = kind.from_config(DDIMScheduler(prediction_type="v_prediction").config, **settings)
        scheduler.set_timesteps(steps)
        assert scheduler.config.prediction_type == "v_prediction" and len(scheduler.timesteps) == steps
