"""Whether a scheduler of diffusers is deterministic or draws noise as it goes: by that a strength is chosen."""

import warnings
from copy import deepcopy
from typing import Any

import torch

from schemas.samplers import Sampler

STEPS = 4  # that the scheduler is set to, of which it takes half


def kind_of(scheduler: Any) -> Sampler | None:
    """Return the kind of sampler that a scheduler is, as its `step` is called without an eta; None where that cannot be seen.

    It is asked twice, with other random numbers, and not looked up in a list: a copy of it takes two steps of a tiny image. What a
    pipeline hands on in its own call, such as DDIM's eta, a scheduler does not know: DDIMScheduler is deterministic.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            first, again = (_stepped(deepcopy(scheduler), seed) for seed in (0, 1))
    except Exception:  # of schedulers that want more than others do; all mean that it cannot be seen
        return None
    return "deterministic" if torch.equal(first, again) else "stochastic"


def _stepped(scheduler: Any, seed: int) -> torch.Tensor:
    scheduler.set_timesteps(STEPS)
    torch.manual_seed(seed)
    x = torch.full((1, 3, 8, 8), 0.5)
    for t in scheduler.timesteps[: STEPS // 2]:
        x = scheduler.step(0.1 * scheduler.scale_model_input(x, t), t, x).prev_sample
    return x
