"""The reverse process against diffusers' own loops, randomness that belongs to a sample, and edits where Eq. 2 has them."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel

from pipeline.errors import UserError
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.edits import Add, Swap
from pipeline.hspace.noise import NoiseStreams
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.models.pixels import from_uint8, to_uint8

SHAPE = (3, 16, 16)
H = (16, 8, 8)

# Schedulers as google published them on the Hugging Face hub.
PUBLISHED = {
    path.stem: json.loads(path.read_text())
    for path in (Path(__file__).parents[1] / "models" / "published").glob("*.json")
}


@pytest.fixture
def unet(tiny_unet) -> UNet2DModel:
    return tiny_unet


@pytest.fixture
def denoiser(unet) -> Denoiser:
    return Denoiser(unet)


def scheduler(**settings) -> DDIMScheduler:
    return DDIMScheduler(**{"beta_schedule": "squaredcos_cap_v2", "clip_sample": False, **settings})


def streams(*ids: int, seed: int = 0) -> NoiseStreams:
    return NoiseStreams(seed, ids, SHAPE)


def assert_equal_to_rounding(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))


class Recorded:
    """Stands in for diffusers' random numbers: our streams, draw by draw."""

    def __init__(self, monkeypatch, module: str, noise: NoiseStreams):
        monkeypatch.setattr(f"{module}.randn_tensor", lambda *args, **kwargs: noise.next())


# Followed


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_run_that_is_followed_ends_where_it_would_and_its_last_prediction_is_its_image(denoiser, eta):
    process = ReverseProcess(scheduler(), 4, eta)
    seen = [(P_t.clone(), x.clone()) for P_t, x in process.followed(denoiser, streams(0, 1))]
    assert len(seen) == 4
    assert torch.equal(seen[-1][1], process.run(denoiser, streams(0, 1)))
    before = [x for _, x in process.states(denoiser, streams(0, 1))]
    assert all(torch.equal(x, after) for (_, x), after in zip(seen, before[1:], strict=False))
    output, _ = denoiser(before[2], process.timesteps[2])
    a = process.levels[2].alpha
    torch.testing.assert_close(seen[2][0], (before[2] - (1 - a) ** 0.5 * output) / a**0.5)  # Eq. 3


# Equal to diffusers


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("within", [{}, {"clip_sample": True}, {"thresholding": True, "sample_max_value": 1.5}])
def test_equals_the_scheduler_of_diffusers(unet, eta, prediction_type, spacing, within):
    ddim = scheduler(prediction_type=prediction_type, timestep_spacing=spacing, steps_offset=1, **within)
    ours = ReverseProcess(ddim, 6, eta).run(Denoiser(unet), streams(3, 4))

    noise = streams(3, 4)
    x_t = noise.next()
    ddim.set_timesteps(6)
    for t in ddim.timesteps:
        with torch.inference_mode():
            output = unet(x_t, t).sample
        z_t = noise.next() if eta > 0 else None
        x_t = ddim.step(output, t, x_t, eta=eta, variance_noise=z_t).prev_sample

    assert_equal_to_rounding(ours, x_t)


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_there_are_t_timesteps_for_every_t(spacing):
    """diffusers yields 62 for T = 61, the last of them -1, with trailing spacing; and for 61 other T below 1,001."""
    for steps in (1, 2, 7, 61, 103, 500, 999, 1000):
        timesteps = ReverseProcess(scheduler(timestep_spacing=spacing), steps).timesteps
        assert len(timesteps) == steps and min(timesteps) >= 0
        assert timesteps == sorted(set(timesteps), reverse=True)


def test_a_first_timestep_that_the_model_does_not_know_is_refused():
    with pytest.raises(UserError, match="begin at timestep 1000.*0 to 999"):
        _ = ReverseProcess(scheduler(timestep_spacing="leading", steps_offset=1), 1000).levels


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_equals_the_ddim_pipeline_with_published_schedulers(unet, monkeypatch, name, eta):
    ddim = DDIMScheduler.from_config(PUBLISHED[name])
    noise = streams(0, 1)
    for module in ("pipelines.ddim.pipeline_ddim", "schedulers.scheduling_ddim"):
        Recorded(monkeypatch, f"diffusers.{module}", noise)
    pipeline = DDIMPipeline(unet, ddim)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(batch_size=2, num_inference_steps=7, eta=eta, output_type="pt").images

    ours = ReverseProcess(DDIMScheduler.from_config(PUBLISHED[name]), 7, eta).run(Denoiser(unet), streams(0, 1))
    assert_equal_to_rounding((ours / 2 + 0.5).clamp(0, 1), torch.as_tensor(theirs))


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("steps", [7, 50])
def test_the_ancestral_process_equals_the_ddpm_pipeline_with_published_schedulers(unet, monkeypatch, name, steps):
    noise = streams(0, 1)
    for module in ("pipelines.ddpm.pipeline_ddpm", "schedulers.scheduling_ddpm"):
        Recorded(monkeypatch, f"diffusers.{module}", noise)
    pipeline = DDPMPipeline(unet, DDPMScheduler.from_config(PUBLISHED[name]))
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(batch_size=2, num_inference_steps=steps, output_type="np").images

    ddim = DDIMScheduler.from_config(PUBLISHED[name])
    ours = ReverseProcess(ddim, steps, ancestral=True).run(Denoiser(unet), streams(0, 1))
    assert_equal_to_rounding((ours / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1), torch.as_tensor(theirs))


def test_published_schedulers_differ_where_they_should():
    assert len(PUBLISHED) == 3 and {config["variance_type"] for config in PUBLISHED.values()} == {
        "fixed_small",
        "fixed_large",
    }
    large = ReverseProcess(DDIMScheduler.from_config(PUBLISHED["ddpm-cifar10-32"]), 50, ancestral=True).levels
    assert all(level.noise > level.sigma for level in large[:-1]) and large[-1].noise == 0


# eta by step


def test_one_eta_a_step(denoiser):
    number, schedule = (ReverseProcess(scheduler(), 4, eta) for eta in (0.7, (0.7, 0.7, 0.7, 0.7)))
    assert torch.equal(number.run(denoiser, streams(1)), schedule.run(denoiser, streams(1)))


def test_noise_of_a_step_does_not_depend_on_eta_at_others():
    some, every = streams(1), streams(1)
    some.x_T(), every.x_T()
    assert some.sigma_z(0, 0.0) is None
    every.sigma_z(0, 1.0)
    assert torch.equal(some.sigma_z(1, 1.0), every.sigma_z(1, 1.0))


# A sample's own randomness


def test_a_sample_is_the_same_alone_and_among_others(denoiser):
    process = ReverseProcess(scheduler(), 5, eta=1.0)
    among = process.run(denoiser, streams(11, 5, 8, seed=7))
    alone = process.run(denoiser, streams(5, seed=7))
    torch.testing.assert_close(among[1:2], alone, rtol=1e-4, atol=1e-4)


def test_noise_is_the_same_bit_for_bit_in_any_batch():
    among, alone = streams(11, 5, 8, seed=7), streams(5, seed=7)
    for _ in range(4):
        assert torch.equal(among.next()[1], alone.next()[0])


def test_the_same_batch_makes_the_same_bytes(denoiser):
    process = ReverseProcess(scheduler(), 3, eta=1.0)
    assert torch.equal(process.run(denoiser, streams(2, 9)), process.run(denoiser, streams(2, 9)))


def test_no_two_samples_share_noise():
    """With x_T from seed s and z from seed s + 1, the first z of one sample is the x_T of the next."""
    noise = streams(*range(6))
    draws = torch.cat([noise.next() for _ in range(4)]).flatten(1)
    correlations = torch.corrcoef(draws) - torch.eye(len(draws))
    assert correlations.abs().max() < 0.2  # 768 numbers each: chance is 0.036
    assert not torch.equal(streams(1, seed=0).next(), streams(0, seed=1).next())


# h


def test_without_an_edit_h_is_recorded_and_nothing_changes(denoiser):
    seen = []
    process = ReverseProcess(scheduler(), 4, eta=1.0)
    recorded = process.run(denoiser, streams(0, 1), on_h=lambda *record: seen.append(record))
    plain = process.run(denoiser, streams(0, 1))
    assert torch.equal(recorded, plain)
    assert [(step, t) for step, t, _ in seen] == list(enumerate(process.timesteps))
    assert all(h.shape == (2, *H) for _, _, h in seen)


def test_memory_does_not_grow_with_the_number_of_steps(denoiser):
    """h of a step is let go once it was handed over: at most this step's and the one before are alive."""
    import weakref

    alive: list[weakref.ref] = []
    most = 0

    def on_h(step: int, timestep: int, h: torch.Tensor) -> None:
        nonlocal most
        alive.append(weakref.ref(h))
        most = max(most, sum(ref() is not None for ref in alive))

    ReverseProcess(scheduler(), 12).run(denoiser, streams(0), on_h=on_h)
    assert len(alive) == 12 and most <= 2


# Edits


def directions(n: int = 1, steps: int = 4) -> torch.Tensor:
    return torch.randn(n, steps, *H, generator=torch.Generator().manual_seed(5))


def test_an_offset_enters_at_the_steps_that_it_names(denoiser):
    process = ReverseProcess(scheduler(), 4, eta=0.0)
    [v] = directions()
    plain = process.run(denoiser, streams(0))
    none = process.run(denoiser, streams(0), [Add(v, 0.0)])
    outside = process.run(denoiser, streams(0), [Add(v, steps=range(4, 9))])
    once = process.run(denoiser, streams(0), [Add(v, 3.0, steps=range(1, 2))])
    torch.testing.assert_close(none, plain)
    assert torch.equal(outside, plain)
    assert (once - plain).abs().max() > 100 * (none - plain).abs().max() + 1e-5


def test_each_sample_of_a_batch_has_its_own_strength(denoiser):
    process = ReverseProcess(scheduler(), 4)
    [v] = directions()
    together = process.run(denoiser, streams(3, 3, 3), [Add(v, torch.tensor([0.0, 1.0, -2.0]))])
    for row, gamma in enumerate((0.0, 1.0, -2.0)):
        alone = process.run(denoiser, streams(3), [Add(v, gamma)])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-4)


def test_two_directions_at_once_are_their_sum(denoiser):
    process = ReverseProcess(scheduler(), 4)
    v, w = directions(2)
    both = process.run(denoiser, streams(0), [Add(v, 0.5), Add(w, -1.0)])
    torch.testing.assert_close(both, process.run(denoiser, streams(0), [Add(0.5 * v - w)]), rtol=1e-4, atol=1e-4)


def test_one_vector_for_all_steps(denoiser):
    process = ReverseProcess(scheduler(), 4)
    v = directions()[0, 2]
    same = process.run(denoiser, streams(0), [Add(v)])
    assert torch.equal(same, process.run(denoiser, streams(0), [Add(v.expand(4, *H))]))


def test_asyrp_lets_the_edit_enter_p_t_alone(unet, denoiser):
    """Against the two passes written out with diffusers' scheduler: P_t of the edited pass, D_t of the plain one."""
    ddim = scheduler()
    [v] = directions()
    ours = ReverseProcess(ddim, 4, eta=0.0).run(denoiser, streams(0), [Add(v, 2.0)], asyrp=True)
    x_t = streams(0).x_T()
    ddim.set_timesteps(4)
    for step, t in enumerate(ddim.timesteps):
        with torch.inference_mode():
            plain = unet(x_t, t).sample
            handle = unet.mid_block.register_forward_hook(lambda module, inputs, h, step=step: h + 2.0 * v[step])
            edited = unet(x_t, t).sample
            handle.remove()
        P_t = ddim.step(edited, t, x_t).pred_original_sample
        alpha_previous = ddim.alphas_cumprod[t - 250] if t >= 250 else ddim.final_alpha_cumprod
        x_t = alpha_previous**0.5 * P_t + (1 - alpha_previous) ** 0.5 * plain
    assert_equal_to_rounding(ours, x_t)


def test_asyrp_without_an_edit_is_the_plain_process(denoiser):
    process = ReverseProcess(scheduler(), 3)
    assert torch.equal(process.run(denoiser, streams(0), asyrp=True), process.run(denoiser, streams(0)))


def test_a_swap_in_one_batch_equals_a_replay_of_what_was_recorded(denoiser):
    process = ReverseProcess(scheduler(), 4)
    recorded = []
    process.run(denoiser, streams(0, 1), on_h=lambda step, t, h: recorded.append(h))
    replayed = process.run(denoiser, streams(0, 1), [lambda step, h: recorded[step].flip(0)])
    swapped = process.run(denoiser, streams(0, 1, 0, 1), [Swap((0, 1, 1, 0))])
    plain = process.run(denoiser, streams(0, 1))
    torch.testing.assert_close(swapped[:2], plain, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(swapped[2:], replayed, rtol=1e-4, atol=1e-4)
    assert (swapped[2:] - plain).abs().max() > 1e-3


# Settings


@pytest.mark.parametrize(
    ("steps", "eta"), [(0, 1.0), (-3, 1.0), (1001, 1.0), (10, 1.5), (10, -0.1), (3, (1.0, 1.0)), (2, (1.0, 2.0))]
)
def test_refuses_settings_outside_their_range(steps, eta):
    with pytest.raises(UserError, match="expected"):
        ReverseProcess(scheduler(), steps, eta)


def test_the_ancestral_process_has_eta_1():
    with pytest.raises(UserError, match="eta = 1"):
        ReverseProcess(scheduler(), 4, 0.5, ancestral=True)


def test_bfloat16_is_close_and_comes_out_in_float32(unet):
    process = ReverseProcess(scheduler(), 3)
    exact = process.run(Denoiser(unet), streams(0))
    seen = []
    half = process.run(Denoiser(unet, dtype=torch.bfloat16), streams(0), on_h=lambda step, t, h: seen.append(h.dtype))
    assert half.dtype == torch.float32 and set(seen) == {torch.bfloat16}
    assert 0 < (half - exact).abs().max() < 0.1 * exact.abs().max()


def test_images_are_rounded_and_clamped():
    x_0 = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert to_uint8(x_0)[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_images_come_back_from_bytes():
    images = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    assert torch.equal(to_uint8(from_uint8(images)), images)
