"""A standard deviation is as far as was measured by samplers of the kind at hand; where it was not, that is said."""

import warnings
from dataclasses import replace

import pytest
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

from pipeline.catalog.direction import Direction
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.direction_edit import DirectionEdit
from pipeline.catalog.editing_strengths import multipliers
from tests.pipeline.catalog.planted_catalogs import PER_SD, STOCHASTIC, planted_catalog, planted_model

SMILE, FIRST, GLASSES = "smile/ridge/disentangled", "smile/ridge", "glasses/ridge"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> DirectionCatalog:
    folder = tmp_path_factory.mktemp("planted")
    return DirectionCatalog.from_pretrained(planted_catalog(folder / "catalog", planted_model(folder / "model")))


def multiplied(catalog, name: str, scheduler, by: float = 2.0, **how) -> float:
    edit = DirectionEdit.of(catalog, {name: by}, **how)
    return float(multipliers(catalog, edit, scheduler)[name])


def test_the_scheduler_says_which_and_a_name_says_otherwise(catalog):
    assert catalog.sampler == "deterministic"
    sde = DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scheduler in (DDIMScheduler(), DPMSolverMultistepScheduler(), None, object()):
            assert multiplied(catalog, SMILE, scheduler) == 2 * PER_SD[SMILE]
        for scheduler in (DDPMScheduler(), sde):
            assert multiplied(catalog, SMILE, scheduler) == 2 * STOCHASTIC[SMILE]
        assert multiplied(catalog, SMILE, DDIMScheduler(), sampler="stochastic") == 2 * STOCHASTIC[SMILE]
        assert multiplied(catalog, SMILE, DDPMScheduler(), sampler="deterministic") == 2 * PER_SD[SMILE]
        assert multiplied(catalog, SMILE, DDPMScheduler(), calibrated=False) == 2


@pytest.mark.parametrize(
    "name, said",
    [
        (FIRST, "'smile/ridge', 0.5, was measured by deterministic samplers, and this one is stochastic"),
        (
            GLASSES,
            r"deterministic samplers: by stochastic ones its target was not seen to move so far \(\+0.50 at \+1.5\)",
        ),
    ],
)
def test_what_was_not_measured_by_this_kind_is_taken_from_the_other_and_said(catalog, name, said):
    with pytest.warns(UserWarning, match=f"{said}.*say sampler='deterministic' to be told no more"):
        assert multiplied(catalog, name, DDPMScheduler()) == 2 * PER_SD[name]


@pytest.mark.parametrize("kind, strength", [("deterministic", PER_SD[SMILE]), ("stochastic", STOCHASTIC[SMILE])])
def test_images_that_are_not_the_models_own_are_said(catalog, monkeypatch, kind, strength):
    other = {(SMILE, "stochastic"): {"strength_per_sd": strength, "strength_in_range": False}}
    beyond = replace(catalog)
    if kind == "stochastic":
        monkeypatch.setitem(beyond.__dict__, "samplers", other)
    else:
        about = beyond[SMILE].about.model_copy(update={"strength_in_range": False})
        monkeypatch.setitem(beyond.directions, SMILE, Direction(about, beyond))
    for each in ("deterministic", "stochastic"):
        scheduler = {"deterministic": DDIMScheduler, "stochastic": DDPMScheduler}[each]()
        if each == kind:
            with pytest.warns(UserWarning, match=f"{strength:.3g} by {kind} samplers, were measured not to be the"):
                assert multiplied(beyond, SMILE, scheduler) == 2 * strength
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                multiplied(beyond, SMILE, scheduler)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            multiplied(beyond, SMILE, scheduler, by=0.5)


def test_the_warning_names_the_line_that_asked(catalog, tmp_path):
    from tests.pipeline.catalog.planted_catalogs import loaded

    unet, scheduler = loaded(planted_model(tmp_path / "model"))
    pipe = type("Pipe", (), {"unet": unet, "scheduler": DDPMScheduler.from_config(scheduler.config)})()
    with pytest.warns(UserWarning, match="was measured by deterministic") as found:
        catalog.edit(pipe, {FIRST: 1.0}, allow=["weights"])
    assert found[0].filename == __file__


def test_a_direction_says_both(catalog):
    assert catalog[SMILE].per_sd_by("deterministic") == PER_SD[SMILE] == catalog[SMILE].strength_per_sd
    assert catalog[SMILE].per_sd_by("stochastic") == STOCHASTIC[SMILE]
    assert (
        catalog[GLASSES].per_sd_by("stochastic") is None and catalog[GLASSES].measured_by("stochastic")["effect"] == 0.5
    )
    assert catalog[FIRST].measured_by("stochastic") == {}
