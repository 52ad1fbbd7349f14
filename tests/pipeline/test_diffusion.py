"""The reverse process against diffusers' own scheduler, and randomness that belongs to a sample."""

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DModel

from pipeline.diffusion import NoiseStreams, ReverseProcess, to_uint8
from pipeline.errors import UserError

SHAPE = (3, 16, 16)


@pytest.fixture
def unet(tiny_unet) -> UNet2DModel:
    return tiny_unet


def scheduler(**settings) -> DDIMScheduler:
    return DDIMScheduler(**{"beta_schedule": "squaredcos_cap_v2", "clip_sample": False, **settings})


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("clip", [False, True])
def test_equals_the_scheduler_of_diffusers(unet, eta, prediction_type, spacing, clip):
    ddim = scheduler(prediction_type=prediction_type, timestep_spacing=spacing, clip_sample=clip)
    ours = ReverseProcess(ddim, 6, eta).run(unet, NoiseStreams(0, [3, 4], SHAPE))

    noise = NoiseStreams(0, [3, 4], SHAPE)
    x_t = noise.next()
    ddim.set_timesteps(6)
    for t in ddim.timesteps:
        with torch.inference_mode():
            output = unet(x_t, t).sample
        z_t = noise.next() if eta > 0 else None
        x_t = ddim.step(output, t, x_t, eta=eta, variance_noise=z_t).prev_sample

    torch.testing.assert_close(ours, x_t, rtol=1e-3, atol=1e-3 * float(x_t.abs().max()))


def test_a_sample_is_the_same_alone_and_among_others(unet):
    process = ReverseProcess(scheduler(), 5, eta=1.0)
    among = process.run(unet, NoiseStreams(7, [11, 5, 8], SHAPE))
    alone = process.run(unet, NoiseStreams(7, [5], SHAPE))
    torch.testing.assert_close(among[1:2], alone, rtol=1e-4, atol=1e-4)


def test_noise_is_the_same_bit_for_bit_in_any_batch():
    among, alone = NoiseStreams(7, [11, 5, 8], SHAPE), NoiseStreams(7, [5], SHAPE)
    for _ in range(4):
        assert torch.equal(among.next()[1], alone.next()[0])


def test_no_two_samples_share_noise():
    """With x_T from seed s and z from seed s + 1, the first z of one sample is the x_T of the next."""
    streams = NoiseStreams(0, range(6), SHAPE)
    draws = torch.cat([streams.next() for _ in range(4)]).flatten(1)
    correlations = torch.corrcoef(draws) - torch.eye(len(draws))
    assert correlations.abs().max() < 0.2  # 768 numbers each: chance is 0.036
    assert not torch.equal(NoiseStreams(0, [1], SHAPE).next(), NoiseStreams(1, [0], SHAPE).next())


def test_without_an_edit_h_is_recorded_and_nothing_changes(unet):
    seen = []
    process = ReverseProcess(scheduler(), 4, eta=1.0)
    recorded = process.run(unet, NoiseStreams(0, [0, 1], SHAPE), on_h=lambda *record: seen.append(record))
    plain = process.run(unet, NoiseStreams(0, [0, 1], SHAPE))
    assert torch.equal(recorded, plain)
    assert [(step, t) for step, t, _ in seen] == list(enumerate(process.timesteps))
    assert all(h.shape == (2, 16, 8, 8) for _, _, h in seen)


def test_an_offset_enters_where_the_step_says(unet):
    process = ReverseProcess(scheduler(), 4, eta=0.0)
    plain = process.run(unet, NoiseStreams(0, [0], SHAPE))
    zero = process.run(unet, NoiseStreams(0, [0], SHAPE), lambda step: torch.zeros(1, 16, 8, 8))
    once = process.run(unet, NoiseStreams(0, [0], SHAPE), lambda step: torch.ones(1, 16, 8, 8) if step == 1 else None)
    torch.testing.assert_close(zero, plain)
    assert (once - plain).abs().max() > 100 * (zero - plain).abs().max() + 1e-5


@pytest.mark.parametrize(("steps", "eta"), [(0, 1.0), (-3, 1.0), (1001, 1.0), (10, 1.5), (10, -0.1)])
def test_refuses_settings_outside_their_range(steps, eta):
    with pytest.raises(UserError, match="expected"):
        ReverseProcess(scheduler(), steps, eta)


def test_images_are_rounded_and_clamped():
    x_0 = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert to_uint8(x_0)[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255]
