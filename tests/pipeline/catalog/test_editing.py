"""An edit by a catalog is the engine's own edit, in any pipeline, at any timestep, and it ends with its block."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    UniPCMultistepScheduler,
)

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.errors import UserError
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.edits import Add
from pipeline.hspace.reverse_process import ReverseProcess
from tests.pipeline.catalog.planted_catalogs import PER_SD, loaded, planted_catalog, planted_model
from tests.pipeline.catalog.planted_findings import T
from tests.pipeline.catalog.test_card import KINDS, POINTS

SMILE, GLASSES, COMPONENT = "smile/ridge/disentangled", "glasses/ridge", "component-0/principal-components"


class Shared:
    """The noise that a pipeline draws from a generator."""

    def __init__(self, n: int):
        self.generator, self.shape = torch.Generator().manual_seed(0), (n, 3, 8, 8)

    def x_T(self) -> torch.Tensor:
        return torch.randn(self.shape, generator=self.generator)

    def sigma_z(self, step: int, sigma: float) -> torch.Tensor | None:
        return sigma * torch.randn(self.shape, generator=self.generator) if sigma else None


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return planted_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def catalog(model, tmp_path_factory) -> DirectionCatalog:
    return DirectionCatalog.from_pretrained(planted_catalog(tmp_path_factory.mktemp("catalog"), model))


@pytest.fixture
def pipe(model) -> DDIMPipeline:
    return piped(*loaded(model))


def piped(unet, scheduler) -> DDIMPipeline:
    made = DDIMPipeline(unet, scheduler)
    made.set_progress_bar_config(disable=True)
    return made


def x_t(n: int = 2) -> torch.Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def passed(unet, t, n: int = 2, **more) -> torch.Tensor:
    return unet(x_t(n).to(unet.dtype), t, **more).sample


def offset(unet, editing, t, n: int = 2, point: str = "mid_block") -> torch.Tensor:
    """What an edit adds to h (n, C, H, W) in a pass."""
    seen = []
    with editing:
        handle = unet.get_submodule(point).register_forward_hook(lambda module, args, h: seen.append(h))
        passed(unet, t, n)
        handle.remove()
    handle = unet.get_submodule(point).register_forward_hook(lambda module, args, h: seen.append(h))
    passed(unet, t, n)
    handle.remove()
    return seen[0] - seen[1]


def added(catalog, name: str, step: int, strength: float = 1.0) -> torch.Tensor:
    return strength * PER_SD[name] * torch.from_numpy(catalog[name].vector[step])


def close(found: torch.Tensor, expected: torch.Tensor, within: float = 1e-5) -> None:
    torch.testing.assert_close(found, expected.expand_as(found), rtol=1e-4, atol=within)


# The same as the engine's own


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_in_a_ddim_pipeline_it_is_the_engines_own_edit_to_rounding(catalog, pipe, eta):
    with catalog.edit(pipe, {"smile": 1.5, "glasses": -1.0}):
        run = partial(pipe, batch_size=2, num_inference_steps=T, eta=eta, output_type="np")
        found = run(generator=torch.Generator().manual_seed(0)).images
    close(torch.from_numpy(found), of_engine(catalog, pipe, eta))


def test_in_a_ddpm_pipeline_it_is_the_engines_own_edit_to_rounding(tmp_path):
    model = planted_model(tmp_path / "model", scheduler=DDPMScheduler(clip_sample=True))
    catalog = DirectionCatalog.from_pretrained(planted_catalog(tmp_path / "catalog", model))
    unet, scheduler = loaded(model)
    pipe = DDPMPipeline(unet, DDPMScheduler.from_config(scheduler.config))
    pipe.set_progress_bar_config(disable=True)
    with catalog.edit(pipe, {"smile": 1.5, "glasses": -1.0}, sampler="deterministic"):  # whose strengths of_engine has
        generator = torch.Generator().manual_seed(0)
        found = pipe(batch_size=2, num_inference_steps=T, generator=generator, output_type="np").images
    close(torch.from_numpy(found), of_engine(catalog, pipe, 1.0, ancestral=True))


def of_engine(catalog, pipe, eta: float, ancestral: bool = False) -> torch.Tensor:
    """Images (n, H, W, C) in [0, 1], and not those of no edit."""
    process = ReverseProcess(DDIMScheduler.from_config(pipe.scheduler.config), T, eta, ancestral)
    assert process.timesteps == catalog.about.sampling.timesteps
    edits = [
        Add(torch.from_numpy(catalog[name].vector), strength * PER_SD[name])
        for name, strength in ((SMILE, 1.5), (GLASSES, -1.0))
    ]
    edited, plain = (process.run(Denoiser(pipe.unet), Shared(2), each) for each in (edits, []))
    assert (edited - plain).abs().mean() > 1e-2
    return (edited / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)


@pytest.mark.parametrize("kind, capture", [(kind, point) for kind, points in POINTS.items() for point in points])
def test_at_every_capture_point_it_adds_what_the_engine_adds(tmp_path, kind, capture):
    model = planted_model(tmp_path / "model", KINDS[kind]())
    catalog = DirectionCatalog.from_pretrained(planted_catalog(tmp_path / "catalog", model, capture))
    unet, _ = loaded(model)
    denoiser, timesteps = Denoiser(unet, capture), catalog.about.sampling.timesteps
    edits = {point: Add(torch.from_numpy(v), 2 * PER_SD[SMILE]) for point, v in catalog["smile"].vectors.items()}
    with torch.no_grad():
        expected, _ = denoiser(x_t(), timesteps[1], {point: partial(edit, 1) for point, edit in edits.items()})
        plain, _ = denoiser(x_t(), timesteps[1])
        with catalog.edit(unet, {"smile": 2.0}):
            found, _ = denoiser(x_t(), timesteps[1])
    close(found, expected)
    assert (found - plain).abs().max() > 1e-3


# Which vector


@pytest.mark.parametrize("as_passed", [int, float, torch.tensor, lambda t: torch.tensor([t, t]), np.int64])
def test_a_pass_gets_the_vector_of_the_nearest_timestep_however_that_is_passed(catalog, pipe, as_passed):
    made_at = catalog.about.sampling.timesteps
    for t, step in ((made_at[1], 1), (made_at[1] + 3, 1), (made_at[2] - 5, 2), (999, 0), (0, T - 1)):
        found = offset(pipe.unet, catalog.edit(pipe, {SMILE: 1.0}), as_passed(t))
        close(found, added(catalog, SMILE, step))


def test_samples_at_timesteps_of_their_own_get_vectors_of_their_own(catalog, pipe):
    first, second = catalog.about.sampling.timesteps[:2]
    found = offset(pipe.unet, catalog.edit(pipe, {SMILE: 1.0}), torch.tensor([second, first]))
    close(found, torch.stack([added(catalog, SMILE, 1), added(catalog, SMILE, 0)]))


@pytest.mark.parametrize(
    "kind",
    [
        DDIMScheduler,
        DPMSolverMultistepScheduler,
        EulerDiscreteScheduler,
        HeunDiscreteScheduler,
        UniPCMultistepScheduler,
    ],
)
@pytest.mark.parametrize("steps", [3, 7])
def test_schedulers_and_numbers_of_steps_of_all_kinds_are_followed(catalog, pipe, kind, steps):
    """Every pass, and Heun's two a step, by the timestep that it is passed."""
    scheduler, asked, got = kind.from_config(pipe.scheduler.config), [], []
    scheduler.set_timesteps(steps)
    x = x_t() * scheduler.init_noise_sigma
    editing = catalog.edit(Guiding(pipe.unet, scheduler), {SMILE: 1.0})
    made_at = torch.tensor(catalog.about.sampling.timesteps)
    vectors = torch.from_numpy(catalog[SMILE].vector) * PER_SD[SMILE]
    seen = lambda module, args, h: got.append(h)  # noqa: E731
    before = pipe.unet.mid_block.register_forward_hook(seen)
    with torch.no_grad(), editing:
        after = pipe.unet.mid_block.register_forward_hook(seen)
        for t in scheduler.timesteps:
            asked.append(float(t))
            x = scheduler.step(pipe.unet(scheduler.scale_model_input(x, t), t).sample, t, x).prev_sample
    for handle in (before, after):
        handle.remove()
    assert torch.isfinite(x).all() and len(got) == 2 * len(asked)
    for t, plain, edited in zip(asked, got[::2], got[1::2], strict=True):
        close(edited - plain, vectors[(made_at - t).abs().argmin()])


# How far, when, and whom


def test_directions_add_up_and_a_strength_a_sample_is_taken(catalog, pipe):
    t = catalog.about.sampling.timesteps[2]
    found = offset(pipe.unet, catalog.edit(pipe, {"smile": torch.tensor([1.0, -2.0]), GLASSES: 0.5}), t)
    glasses = added(catalog, GLASSES, 2, 0.5)
    close(found, torch.stack([added(catalog, SMILE, 2, gamma) + glasses for gamma in (1.0, -2.0)]))
    uncalibrated = offset(pipe.unet, catalog.edit(pipe, {COMPONENT: 3.0}, calibrated=False), t)
    close(uncalibrated, 3 * torch.from_numpy(catalog[COMPONENT].vector[2]))


def test_an_interval_of_timesteps_includes_its_ends_and_nothing_else(catalog, pipe):
    made_at = catalog.about.sampling.timesteps
    editing = catalog.edit(pipe, {SMILE: 1.0}, timesteps=(made_at[2], made_at[1]))
    for step, t in enumerate(made_at):
        expected = added(catalog, SMILE, step) if step in (1, 2) else torch.zeros(1)
        close(offset(pipe.unet, editing, t), expected)


class Guiding:
    """A pipeline that guides: each batch is samples without their condition, then the same with it."""

    do_classifier_free_guidance = True

    def __init__(self, unet, scheduler):
        self.unet, self.scheduler = unet, scheduler


def test_under_guidance_strengths_are_of_samples_and_one_half_may_be_left_alone(catalog, pipe):
    guiding, t = Guiding(pipe.unet, pipe.scheduler), catalog.about.sampling.timesteps[0]
    own = torch.stack([added(catalog, SMILE, 0, gamma) for gamma in (1.0, -2.0)])
    both = offset(pipe.unet, catalog.edit(guiding, {SMILE: [1.0, -2.0]}), t, n=4)
    close(both, torch.cat([own, own]))
    half = offset(pipe.unet, catalog.edit(guiding, {SMILE: [1.0, -2.0]}, only_conditional=True), t, n=4)
    close(half, torch.cat([torch.zeros_like(own), own]))
    said = offset(pipe.unet, catalog.edit(pipe.unet, {SMILE: 1.0}, only_conditional=True, guided=True), t, n=2)
    close(said, torch.stack([torch.zeros_like(own[0]), own[0]]))


def test_which_half_has_the_condition_is_not_guessed(catalog, pipe):
    with pytest.raises(UserError, match="DDIMPipeline does not say whether it guides.*\nSay it: guided=True"):
        offset(pipe.unet, catalog.edit(pipe, {SMILE: 1.0}, only_conditional=True), 5)


def test_strengths_of_other_samples_than_those_of_the_batch_are_refused(catalog, pipe):
    with pytest.raises(UserError, match="strengths of 3 samples, and the batch has 2"):
        offset(pipe.unet, catalog.edit(pipe, {SMILE: [1.0, 2.0, 3.0]}), 5)
    with pytest.raises(UserError, match="strengths of 2 and 3 samples"):
        catalog.edit(pipe, {SMILE: [1.0, 2.0, 3.0], GLASSES: [1.0, 2.0]})


# While it lasts


def test_edits_nest_and_each_ends_with_its_block_whatever_happens_in_it(catalog, pipe):
    t = catalog.about.sampling.timesteps[0]
    plain = passed(pipe.unet, t)
    together = offset(pipe.unet, catalog.edit(pipe, {SMILE: 1.0, GLASSES: 1.0}), t)
    with pytest.raises(RuntimeError, match="planted"), catalog.edit(pipe, {SMILE: 1.0}):
        alone = passed(pipe.unet, t)
        with catalog.edit(pipe, {GLASSES: 1.0}):
            nested = passed(pipe.unet, t)
        close(passed(pipe.unet, t), alone, 0)
        raise RuntimeError("planted")
    close(passed(pipe.unet, t), plain, 0)
    close(together, added(catalog, SMILE, 0) + added(catalog, GLASSES, 0))
    assert (nested - alone).abs().max() > 1e-3
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in pipe.unet.modules())


def test_what_cannot_be_added_leaves_no_hook(catalog, pipe):
    editing = catalog.edit(pipe, {SMILE: 1.0})
    editing.additions["no_such_block"] = editing.additions["mid_block"]
    with pytest.raises(UserError, match="has no module no_such_block"), editing:
        pass
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in pipe.unet.modules())


def test_a_hook_lasts_until_it_is_removed(catalog, pipe):
    t = catalog.about.sampling.timesteps[0]
    plain = passed(pipe.unet, t)
    hook = catalog.hook(pipe.unet, {"smile": 1.0})
    assert (passed(pipe.unet, t) - plain).abs().max() > 1e-3
    with pytest.raises(UserError, match="attached already"):
        hook.attach()
    hook.remove()
    hook.remove()
    close(passed(pipe.unet, t), plain, 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("before", [True, False])
def test_a_network_in_another_precision_is_edited_whenever_it_was_made_so(catalog, pipe, dtype, before):
    editing = None if before else catalog.edit(pipe, {SMILE: 1.0})
    pipe.to(dtype=dtype)
    found = offset(pipe.unet, editing or catalog.edit(pipe, {SMILE: 1.0}), catalog.about.sampling.timesteps[1])
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), added(catalog, SMILE, 1).expand(2, -1, -1, -1), rtol=5e-2, atol=5e-2)


def counting(passes: list[int], graphs: list[int]):
    """A backend of torch.compile that counts what it compiles, and the passes of that."""

    def backend(graph, inputs):
        graphs.append(1)
        return lambda *given: (passes.append(1), graph.forward(*given))[1]

    return backend


@pytest.mark.parametrize("place", ["in place", "a block"])
def test_what_is_compiled_in_place_is_edited_uncompiled_and_compiled_again_afterwards(catalog, pipe, place):
    """Its graph was made without the hooks, and would not know of them."""
    passes: list[int] = []
    t, unet = torch.tensor(catalog.about.sampling.timesteps[0]), pipe.unet
    plain = passed(unet, t)
    with catalog.edit(pipe, {SMILE: 1.0}):
        expected = passed(unet, t)
    (unet if place == "in place" else unet.mid_block).compile(backend=counting(passes, []))
    close(passed(pipe.unet, t), plain)
    compiled = len(passes)
    with catalog.edit(pipe, {SMILE: 1.0}):
        close(passed(pipe.unet, t), expected)
        with catalog.edit(pipe, {GLASSES: 1.0}):
            passed(pipe.unet, t)
        close(passed(pipe.unet, t), expected)
    assert compiled > 0 and len(passes) == compiled
    close(passed(pipe.unet, t), plain)
    assert len(passes) > compiled
    torch.compiler.reset()


@pytest.mark.parametrize("capture", ["mid_block", "middle+up_blocks.0"])
def test_a_wrapped_network_stays_compiled_and_is_compiled_once_more_for_all_edits(tmp_path, capture):
    """Whatever the directions, the strengths, one or one a sample, and the timesteps; and what is in it is edited, too."""
    model = planted_model(tmp_path / "model")
    catalog = DirectionCatalog.from_pretrained(planted_catalog(tmp_path / "catalog", model, capture))
    passes: list[int] = []
    graphs: list[int] = []
    unet, scheduler = loaded(model)
    wrapper = torch.compile(unet, backend=counting(passes, graphs), fullgraph=True)
    pipe, made_at = Guiding(wrapper, scheduler), [torch.tensor(t) for t in catalog.about.sampling.timesteps]
    pipe.do_classifier_free_guidance = False
    plain = passed(unet, made_at[0])
    close(passed(wrapper, made_at[0]), plain)
    assert len(graphs) == 1
    every = ({SMILE: 1.0}, {SMILE: -2.0}, {GLASSES: 0.5}, {SMILE: [1.0, -1.0]}, {SMILE: 1.0, GLASSES: 1.0})
    for strengths, t in zip(every, [*made_at, made_at[0]], strict=True):
        with catalog.edit(unet, strengths):
            expected = passed(unet, t)
        before = len(passes)
        with catalog.edit(pipe, strengths):
            close(passed(wrapper, t), expected)
            assert len(passes) == before + 1, "compiled"
            close(passed(unet, t), expected)  # by who holds what is inside
        close(passed(wrapper, made_at[0]), plain)
    assert len(graphs) == 2
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in unet.modules())
    torch.compiler.reset()


def test_edits_of_a_wrapped_network_nest_and_end_in_any_order(catalog, pipe):
    graphs: list[int] = []
    t, unet = torch.tensor(catalog.about.sampling.timesteps[1]), pipe.unet
    pipe.unet = wrapper = torch.compile(unet, backend=counting([], graphs))
    plain = passed(wrapper, t)
    first, second = (catalog.hook(pipe, {name: 1.0}) for name in (SMILE, GLASSES))
    both = passed(wrapper, t)
    first.remove()
    alone = passed(wrapper, t)
    with pytest.raises(RuntimeError, match="planted"), catalog.edit(pipe, {SMILE: 1.0}, timesteps=(0, 999)):
        close(passed(wrapper, t), both)
        raise RuntimeError("planted")
    close(passed(wrapper, t), alone)
    second.remove()
    close(passed(wrapper, t), plain)
    with catalog.edit(unet, {SMILE: 1.0, GLASSES: 1.0}):
        close(passed(unet, t), both)
    assert len(graphs) == 2 and (both - alone).abs().max() > 1e-3 and (alone - plain).abs().max() > 1e-3
    assert wrapper.forward.__name__ != "_passed" and not any(module._forward_hooks for module in unet.modules())
    torch.compiler.reset()


def test_a_compiled_network_stays_uncompiled_until_the_last_of_its_hooks_is_gone(catalog, pipe):
    """In whatever order they go."""
    t, unet = torch.tensor(catalog.about.sampling.timesteps[0]), pipe.unet
    unet.compile(backend="eager")
    plain = passed(unet, t)
    with catalog.edit(unet, {GLASSES: 1.0}):
        expected = passed(unet, t)
    first, second = (catalog.hook(unet, {name: 1.0}) for name in (SMILE, GLASSES))
    first.remove()
    close(passed(unet, t), expected)
    second.remove()
    close(passed(unet, t), plain)
    torch.compiler.reset()


def test_what_has_no_u_net_is_refused(catalog):
    with pytest.raises(UserError, match="Pipe has no U-Net; expected a pipeline of diffusers"):
        catalog.edit(type("Pipe", (), {})(), {SMILE: 1.0})


def test_a_direction_that_was_not_calibrated_is_refused_in_standard_deviations(catalog, pipe):
    with pytest.raises(UserError, match="has no strength per standard deviation.*\n.*calibrated=False"):
        catalog.edit(pipe, {COMPONENT: 1.0})


def test_images_of_another_size_are_refused_and_by_leave_the_direction_is_stretched(catalog, pipe):
    x, t = torch.randn(1, 3, 16, 16), catalog.about.sampling.timesteps[0]
    with (
        torch.no_grad(),
        pytest.raises(UserError, match=r"of shape \(16, 4, 4\) cannot be added to h of shape \(16, 8, 8\)"),
        catalog.edit(pipe, {SMILE: 1.0}),
    ):
        pipe.unet(x, t)
    with torch.no_grad(), catalog.edit(pipe, {SMILE: 1.0}, allow=["shape"]):
        edited = pipe.unet(x, t).sample
        assert (edited - pipe.unet(x, t).sample).abs().max() == 0
    assert edited.shape == x.shape
