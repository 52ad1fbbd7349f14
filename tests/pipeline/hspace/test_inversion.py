"""Both inversions on the bundled model and portraits that it was not trained on: what comes back, and what h is seen on the way."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from torch import Tensor
from torch.nn.functional import cosine_similarity

from pipeline.domains.portraits import MODEL
from pipeline.domains.portraits.data import draw
from pipeline.errors import UserError
from pipeline.hspace import inversion
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.edits import Add
from pipeline.hspace.inversion import Inverted
from pipeline.hspace.noise import NoiseStreams
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.models import pretrained
from pipeline.models.pretrained import LoadedModel

N = 2
SEED = 987_654  # the training portraits are drawn from others


@pytest.fixture(scope="module")
def found() -> pretrained.Model:
    return pretrained.find(str(MODEL))


@pytest.fixture(scope="module")
def model(found) -> LoadedModel:
    return found.load()


@pytest.fixture(scope="module")
def portraits() -> np.ndarray:
    """(N, 48, 48, 3) uint8."""
    return draw(N, SEED).permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module")
def x_0(model, portraits) -> Tensor:
    return model.from_images(portraits)


@pytest.fixture(scope="module")
def process(found):
    """The bundled model's process with T steps."""
    return lambda T, eta: ReverseProcess(found.ddim(clip=False), T, eta)


class Recorder:
    """h by step, and the order in which the steps came."""

    def __init__(self) -> None:
        self.h: dict[int, Tensor] = {}

    def __call__(self, step: int, timestep: int, h: Tensor) -> None:
        assert step not in self.h
        self.h[step] = h.clone()


def psnr(x: Tensor, x_0: Tensor) -> float:
    """dB of images in [-1, 1], the mean over the batch."""
    mse = (x.clamp(-1, 1) - x_0).square().flatten(1).mean(1)
    return float((10 * torch.log10(4 / mse)).mean())


# Edit-friendly


@dataclass(frozen=True)
class EditFriendly:
    """One inversion with T = 5, and the h that it saw."""

    process: ReverseProcess
    inverted: Inverted
    seen: Recorder


@pytest.fixture(scope="module", params=[0.5, 1.0])
def edit_friendly(request, process, model, x_0) -> EditFriendly:
    here, seen = process(5, request.param), Recorder()
    inverted = inversion.edit_friendly(here, model.denoiser, x_0, NoiseStreams(3, range(N), x_0.shape[1:]), seen)
    return EditFriendly(here, inverted, seen)


def test_edit_friendly_reconstruction_is_exact(edit_friendly, model, x_0, portraits):
    again = Recorder()
    x = edit_friendly.process.run(model.denoiser, edit_friendly.inverted, on_h=again)
    assert (x - x_0).abs().max() < 1e-4
    assert (model.to_images(x) == portraits).all()
    assert list(edit_friendly.seen.h) == list(again.h) == list(range(5))
    for step, h in again.h.items():
        torch.testing.assert_close(edit_friendly.seen.h[step], h, rtol=1e-3, atol=1e-3)


def test_a_direction_of_strength_zero_keeps_it_and_one_of_another_strength_does_not(edit_friendly, model, x_0):
    h = edit_friendly.seen.h
    v = torch.stack([h[step][0] - h[step][1] for step in range(5)])
    run = edit_friendly.process.run
    assert (run(model.denoiser, edit_friendly.inverted, [Add(v, 0.0)]) - x_0).abs().max() < 1e-4
    assert (run(model.denoiser, edit_friendly.inverted, [Add(v, 1.0)]) - x_0).abs().max() > 1e-2


def test_the_noise_of_an_image_is_its_own(edit_friendly, model, x_0):
    noise = NoiseStreams(3, [1], x_0.shape[1:])
    alone = inversion.edit_friendly(edit_friendly.process, model.denoiser, x_0[1:], noise)
    assert torch.equal(alone.start, edit_friendly.inverted.start[1:])
    torch.testing.assert_close(alone.added, edit_friendly.inverted.added[:, 1:], rtol=1e-3, atol=1e-3)


def test_z_t_is_larger_than_noise_and_the_last_is_what_remains(edit_friendly):
    """Sec. 3.2 of Huberman-Spiegelglas et al.: its z_t have a higher variance than those of sampling."""
    *noisy, last = edit_friendly.process.levels
    z = [edit_friendly.inverted.sigma_z(step, 0) / level.sigma for step, level in enumerate(noisy)]
    assert np.mean([float(z_t.std()) for z_t in z]) > 1.2
    assert last.sigma == 0 and edit_friendly.inverted.sigma_z(len(noisy), 0).abs().max() > 0


@pytest.mark.parametrize("eta", [0.0, (1.0, 0.0, 1.0)])
def test_edit_friendly_needs_noise_at_every_step(process, model, x_0, eta):
    with pytest.raises(UserError, match="needs eta > 0 at every step, .*\nUse eta = 1, or the DDIM inversion"):
        inversion.edit_friendly(process(3, eta), model.denoiser, x_0, NoiseStreams(0, range(N), x_0.shape[1:]))


# DDIM


@dataclass(frozen=True)
class Ddim:
    """One inversion and its reconstruction."""

    psnr: float
    cosines: list[float]  # by step, of the h seen by the two; the least of the batch
    inverted: Inverted


@pytest.fixture(scope="module")
def ddim(process, model, x_0):
    """Inverts and reconstructs in T steps."""

    def invert(T: int, iterations: int) -> Ddim:
        there, back = Recorder(), Recorder()
        inverted = inversion.ddim(process(T, 0.0), model.denoiser, x_0, iterations, there)
        x = process(T, 0.0).run(model.denoiser, inverted, on_h=back)
        assert list(there.h) == list(reversed(range(T)))
        pairs = [(there.h[step].flatten(1), back.h[step].flatten(1)) for step in range(T)]
        cosines = [float(cosine_similarity(*pair).min()) for pair in pairs]
        made = Ddim(psnr(x, x_0), cosines, inverted)
        print(f"T = {T}, {iterations} iterations: {made.psnr:.1f} dB, cosine of h {min(cosines):.3f} and up")
        return made

    return invert


@pytest.fixture(scope="module")
def usual(ddim) -> Ddim:
    return ddim(10, 1)


@pytest.fixture(scope="module")
def refined(ddim) -> Ddim:
    return ddim(10, 2)


def test_ddim_comes_back_to_about_the_image(usual):
    assert usual.psnr > 20


def test_more_iterations_come_closer(usual, refined):
    assert refined.psnr > usual.psnr


def test_h_seen_on_the_way_is_that_of_the_reconstructing_run(usual, refined):
    assert min(usual.cosines) > 0.9
    assert np.mean(refined.cosines) > np.mean(usual.cosines)


def test_ddim_needs_eta_0_and_an_iteration(process, model, x_0):
    with pytest.raises(UserError, match="needs eta = 0, and eta is 1.0. Use the edit-friendly inversion"):
        inversion.ddim(process(3, 1.0), model.denoiser, x_0)
    with pytest.raises(UserError, match="0 iterations of DDIM inversion: expected at least 1"):
        inversion.ddim(process(3, 0.0), model.denoiser, x_0, 0)


@pytest.mark.parametrize(
    ("prediction_type", "clip"), [("epsilon", False), ("v_prediction", False), ("v_prediction", True)]
)
def test_iterations_converge_to_an_x_T_that_makes_the_image(tiny_unet, prediction_type, clip):
    """Images that an untrained U-Net made from planted noise; with clipping, which is left out on the way back."""
    denoiser = Denoiser(tiny_unet)
    process = ReverseProcess(scheduler(prediction_type), 4, 0.0)
    x_0 = process.run(denoiser, Inverted(NoiseStreams(0, range(2), (3, 16, 16)).x_T()))
    inverting = replace(process, scheduler=scheduler(prediction_type, clip))
    found = [inversion.ddim(inverting, denoiser, x_0, iterations) for iterations in (1, 12)]
    near, nearer = (float((process.run(denoiser, each) - x_0).abs().max()) for each in found)
    assert nearer < 0.1 * near


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample"])
def test_a_model_that_predicts_something_else_is_inverted_too(model, x_0, prediction_type):
    process = ReverseProcess(scheduler(prediction_type), 8, 0.0)
    denoiser = Predicting(prediction_type, model.denoiser, process)
    there = [inversion.ddim(process, denoiser, x_0, iterations) for iterations in (1, 2)]
    usual, refined = (psnr(process.run(denoiser, each), x_0) for each in there)
    print(f"{prediction_type}: {usual:.1f} dB, refined {refined:.1f} dB")
    assert refined > max(usual, 20)


def scheduler(prediction_type: str, clip: bool = False) -> DDIMScheduler:
    """The bundled model's, but for what the U-Net predicts; eps begins where alpha_t is not 0."""
    spacing = "leading" if prediction_type == "epsilon" else "trailing"
    betas = "squaredcos_cap_v2"
    return DDIMScheduler(
        beta_schedule=betas, timestep_spacing=spacing, prediction_type=prediction_type, clip_sample=clip
    )


@dataclass(frozen=True)
class Predicting:
    """A denoiser whose U-Net predicts v, as one that predicts something else."""

    prediction_type: str
    denoiser: Denoiser
    process: ReverseProcess

    @property
    def device(self) -> torch.device:
        return self.denoiser.device

    def __call__(self, x_t: Tensor, timestep: int, edit: object = None) -> tuple[Tensor, Tensor]:
        v_t, h = self.denoiser(x_t, timestep)
        [alpha] = [level.alpha for level in self.process.levels if level.timestep == timestep]
        a, s = alpha**0.5, (1 - alpha) ** 0.5
        return a * v_t + s * x_t if self.prediction_type == "epsilon" else a * x_t - s * v_t, h
