"""A scheduler is taken for what it does when it is asked twice."""

import diffusers
import pytest
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, DPMSolverSinglestepScheduler

from pipeline.catalog.editing_samplers import kind_of

DETERMINISTIC = (
    *("DDIM", "DDIMParallel", "PNDM", "DEISMultistep", "DPMSolverMultistep", "EulerDiscrete", "HeunDiscrete"),
    *("KDPM2Discrete", "LMSDiscrete", "UniPCMultistep"),
)
STOCHASTIC = (
    *("DDPM", "DDPMParallel", "EulerAncestralDiscrete", "KDPM2AncestralDiscrete", "LCM", "SASolver", "TCD", "UnCLIP"),
)


@pytest.mark.parametrize(
    "name, kind", [*((name, "deterministic") for name in DETERMINISTIC), *((name, "stochastic") for name in STOCHASTIC)]
)
def test_schedulers_of_diffusers_are_told_apart(name, kind):
    scheduler = getattr(diffusers, f"{name}Scheduler")()
    scheduler.set_timesteps(7)
    before, state = scheduler.timesteps.clone(), torch.random.get_rng_state()
    assert kind_of(scheduler) == kind
    assert torch.equal(scheduler.timesteps, before) and torch.equal(torch.random.get_rng_state(), state), "left alone"


@pytest.mark.parametrize("kind", [DPMSolverMultistepScheduler, DPMSolverSinglestepScheduler])
def test_a_solver_is_what_its_algorithm_is(kind):
    assert kind_of(kind(algorithm_type="dpmsolver++")) == "deterministic"
    assert kind_of(kind(algorithm_type="sde-dpmsolver++")) == "stochastic"


def test_one_that_will_not_be_asked_is_not_guessed():
    class Another(DDPMScheduler):
        def step(self, output, t, x):
            raise RuntimeError("planted")

    assert kind_of(Another()) is None and kind_of(object()) is None
