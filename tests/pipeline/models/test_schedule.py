"""A model's betas are those that it was trained with, and what no scheduler can work with is refused by name."""

from pathlib import Path

import pytest
import torch
from diffusers import DDPMScheduler, PNDMScheduler

from pipeline.errors import UserError
from pipeline.models import schedule

WHERE = Path("scheduler/scheduler_config.json")
PUBLISHED = {"_class_name": "DDPMScheduler", **DDPMScheduler().config}


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("betas", ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace", "trained"])
def test_betas_are_those_of_the_ddpm_that_was_trained(betas, zero_snr):
    named = (
        {"trained_betas": torch.linspace(0.01, 0.3, 40).tolist()} if betas == "trained" else {"beta_schedule": betas}
    )
    trained = DDPMScheduler(
        num_train_timesteps=40, beta_start=0.002, beta_end=0.3, rescale_betas_zero_snr=zero_snr, **named
    )
    config = schedule.checked(dict(trained.config) | {"_class_name": "DDPMScheduler"}, WHERE)
    ours = schedule.ddim(config, clip=False)
    assert torch.equal(ours.alphas_cumprod, trained.alphas_cumprod)
    ours.set_timesteps(10)
    trained.set_timesteps(10)
    assert ours.timesteps.tolist() == trained.timesteps.tolist()


def test_sigmoid_betas_are_not_linear_ones():
    sigmoid, linear = (
        schedule.ddim({**PUBLISHED, "beta_schedule": name}, clip=False).alphas_cumprod for name in ("sigmoid", "linear")
    )
    assert (sigmoid - linear).abs().max() > 0.01


@pytest.mark.parametrize(
    ("config", "clips"),
    [
        ({"_class_name": "DDPMScheduler"}, True),
        ({"_class_name": "DDIMScheduler"}, True),
        ({"_class_name": "DDIMScheduler", "clip_sample": False}, False),
        ({"_class_name": "PNDMScheduler"}, False),
        ({"_class_name": "PNDMScheduler", "clip_sample": True}, True),
        ({"_class_name": "DDPMScheduler", "clip_sample": False, "thresholding": True}, True),
    ],
)
def test_whether_a_scheduler_clips_is_said_by_its_file_or_else_by_its_kind(config, clips):
    assert schedule.clips(config) is clips
    assert "clip_sample" not in PNDMScheduler().config


def test_without_clipping_there_is_no_threshold_either():
    config = {**PUBLISHED, "clip_sample": False, "thresholding": True}
    on, off = (schedule.ddim(config, clip).config for clip in (True, False))
    assert (on.thresholding, off.thresholding, off.clip_sample) == (True, False, False)


def test_whole_numbers_may_be_written_as_others():
    kept = schedule.checked({**PUBLISHED, "num_train_timesteps": 1000.0, "steps_offset": 1.0}, WHERE)
    assert kept == schedule.checked({**PUBLISHED, "steps_offset": 1}, WHERE)
    assert schedule.ddim(kept, clip=True).alphas_cumprod.shape == (1000,)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"num_train_timesteps": -5}, "num_train_timesteps is -5 in .*; expected a whole number, 1 or more"),
        ({"num_train_timesteps": 0}, "num_train_timesteps is 0"),
        ({"num_train_timesteps": "1000"}, 'num_train_timesteps is "1000"'),
        ({"num_train_timesteps": True}, "num_train_timesteps is true"),
        ({"num_train_timesteps": [1000]}, r"num_train_timesteps is \[1000\]"),
        ({"steps_offset": -1}, "steps_offset is -1 in .*; expected a whole number, 0 or more"),
        ({"beta_start": "0.1"}, 'beta_start is "0.1" in .*; expected a number from 0 to 1'),
        ({"beta_end": 20}, "beta_end is 20"),
        ({"beta_start": float("nan")}, "beta_start is NaN"),
        ({"beta_start": 0, "beta_end": 0}, "betas of .* run from 0 to 0; expected numbers from 0 to 1"),
        ({"clip_sample": "false"}, 'clip_sample is "false" in .*; expected true or false'),
        ({"clip_sample": 1}, "clip_sample is 1"),
        ({"clip_sample_range": -1}, "clip_sample_range is -1 in .*; expected a number of 1e-06 or more"),
        ({"thresholding": "yes"}, "thresholding is"),
        (
            {"timestep_spacing": "middle"},
            'timestep_spacing is "middle" in .*; expected "leading" or "trailing" or "linspace"',
        ),
        ({"variance_type": "small"}, 'variance_type is "small" in .*; expected "fixed_small" or'),
        (
            {"trained_betas": [0.1, 0.2]},
            r"has 2 trained_betas for 1000 timesteps \(num_train_timesteps\); expected as many",
        ),
        ({"trained_betas": "0.1"}, "DDIM cannot use this scheduler"),
        ({"trained_betas": [-0.1] * 1000}, "betas of .* run from -0.1"),
        ({"beta_schedule": ["linear"]}, "DDIM cannot use this scheduler"),
        ({"beta_schedule": None}, "DDIM cannot use this scheduler"),
        ({"prediction_type": 3}, "predicts 3 at discrete timesteps"),
    ],
)
def test_values_that_no_scheduler_can_work_with(changes, found):
    with pytest.raises(UserError, match=found) as error:
        schedule.checked({**PUBLISHED, **changes}, WHERE)
    assert 2 <= len(str(error.value).splitlines()) <= 4, "found and expected, then what to do"
