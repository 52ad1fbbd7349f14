"""Real images in: the noise that a reverse process would have made an image from, and the image's h on the way.

`ddim` runs the deterministic process backwards (Song et al. 2021) and recovers the image about; `edit_friendly`
(Huberman-Spiegelglas et al., CVPR 2024, arXiv 2304.06140) solves for the z_t that lead exactly through noisy copies of the image.

Shapes: B batch, T steps. x_0 is what the U-Net works on: an image in [-1, 1], or its latents.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.noise import Noise
from pipeline.hspace.reverse_process import OnH, ReverseProcess


@dataclass(frozen=True)
class Inverted:
    """The noise of real images: what `ReverseProcess.run` needs to make them again, with or without edits."""

    start: Tensor  # x_T (B, channels, height, width)
    added: Tensor | None = None  # (T, B, channels, height, width): sigma_t z_t; None where nothing is added

    def x_T(self) -> Tensor:
        return self.start

    def sigma_z(self, step: int, sigma: float) -> Tensor | None:
        return None if self.added is None else self.added[step]


@torch.inference_mode()
def ddim(
    process: ReverseProcess, denoiser: Denoiser, x_0: Tensor, iterations: int = 1, on_h: OnH | None = None
) -> Inverted:
    """x_T from which eta = 0 comes back to about x_0.

    Eq. 2 at eta = 0 is to be solved for x_t, which stands on both sides, since the U-Net predicts at x_t. The first iteration takes
    what it predicts at x_{t-1} instead: the usual inversion (Song et al. 2021, Sec. 4.3). Each more asks at the x_t found so far,
    a fixed-point iteration (Pan et al., ICCV 2023). `on_h` receives the h of x_t at its own timestep, from the least noisy step to
    step 0. That is iterations * T + 1 passes of the U-Net. Where P_t is clipped, that is not undone.
    """
    if any(process.etas):
        raise UserError(
            f"DDIM inversion needs eta = 0, and eta is {process.eta}. Use the edit-friendly inversion for eta > 0."
        )
    if iterations < 1:
        raise UserError(f"{iterations} iterations of DDIM inversion: expected at least 1.")
    x = x_0.to(denoiser.device)
    last = process.steps - 1
    output, _ = denoiser(x, process.levels[last].timestep)
    for step in reversed(range(process.steps)):
        level = process.levels[step]
        x_t = _solved(process, step, x, x, output) if step == last else _onwards(process, step, x, output)
        for _ in range(iterations - 1):
            output, _ = denoiser(x_t, level.timestep)
            x_t = _solved(process, step, x, x_t, output)
        output, h = denoiser(x_t, level.timestep)
        if on_h:
            on_h(step, level.timestep, h.cpu())
        x = x_t
    return Inverted(x.cpu())


@torch.inference_mode()
def edit_friendly(
    process: ReverseProcess, denoiser: Denoiser, x_0: Tensor, noise: Noise, on_h: OnH | None = None
) -> Inverted:
    """x_T and sigma_t z_t that lead from x_T to x_0, to rounding. eta must be above 0 at every step, or there is no z_t.

    Each x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) n_t has noise of its own, from `noise`, and z_t is what Eq. 2 lacks to come
    from x_t to x_{t-1} (Alg. 1 of the paper). The last step adds what is left to x_0, though its sigma is 0. `on_h` receives h of
    every step, step 0 first. The T images of noise are kept on the host.
    """
    if not all(process.etas):
        raise UserError(
            f"The edit-friendly inversion needs eta > 0 at every step, and eta is {process.eta}: no z_t leads to the image.\n"
            "Use eta = 1, or the DDIM inversion for eta = 0."
        )
    x_0 = x_0.to(denoiser.device)
    x_t = start = _noised(x_0, process.levels[0].alpha, noise.x_T())
    added = torch.empty(process.steps, *x_0.shape)
    for step, level in enumerate(process.levels):
        output, h = denoiser(x_t, level.timestep)
        if on_h:
            on_h(step, level.timestep, h.cpu())
        mean = process.mean(step, x_t, output)
        if step + 1 < process.steps:
            n_t = noise.sigma_z(step, 1.0)
            assert n_t is not None
            wanted = _noised(x_0, process.levels[step + 1].alpha, n_t)
        else:
            wanted = x_0
        added[step] = (wanted - mean).cpu()
        x_t = mean + added[step].to(mean)  # not `wanted`: as the reverse process will compute it
    return Inverted(start.cpu(), added)


def _onwards(process: ReverseProcess, step: int, x: Tensor, output: Tensor) -> Tensor:
    """x_t from x = x_{t-1} and what the U-Net predicts there: sqrt(alpha_t) P_{t-1} + sqrt(1 - alpha_t) eps_{t-1}."""
    a, s = _square_roots(process.levels[step].alpha)
    a_previous, s_previous = _square_roots(process.levels[step + 1].alpha)
    _, eps = process.predict(step + 1, x, output)
    return a / a_previous * (x - s_previous * eps) + s * eps


def _solved(process: ReverseProcess, step: int, x: Tensor, x_t: Tensor, output: Tensor) -> Tensor:
    """The x_t that Eq. 2 at eta = 0 takes to x = x_{t-1}, if the U-Net predicts there what it predicts at the x_t given.

    A U-Net that predicts eps is held to eps, as usual. Any other is held to v_t = sqrt(alpha_t) eps - sqrt(1 - alpha_t) P_t: eps
    becomes x_t as alpha_t goes to 0, where such models are meant to start, and the iteration would stand still.
    """
    a, s = _square_roots(process.levels[step].alpha)
    a_previous, s_previous = _square_roots(process.levels[step].alpha_previous)
    match process.scheduler.config.prediction_type:
        case "v_prediction":
            v_t = output
        case "sample":
            v_t = (a * x_t - output) / s
        case _:
            return a / a_previous * (x - s_previous * output) + s * output
    return (x + (a_previous * s - s_previous * a) * v_t) / (a_previous * a + s_previous * s)


def _square_roots(alpha: float) -> tuple[float, float]:
    """sqrt(alpha_t), sqrt(1 - alpha_t)."""
    return alpha**0.5, (1 - alpha) ** 0.5


def _noised(x_0: Tensor, alpha: float, noise: Tensor) -> Tensor:
    """x_t of the forward process: sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) noise."""
    return alpha**0.5 * x_0 + (1 - alpha) ** 0.5 * noise.to(x_0)
