"""Real images in: the noise that a reverse process would have made an image from, and the image's h on the way.

`ddim` runs the deterministic process backwards (Song et al. 2021) and recovers the image about; `edit_friendly`
(Huberman-Spiegelglas et al., CVPR 2024, arXiv 2304.06140) solves for the z_t that lead exactly through noisy copies of the image.

Shapes: B batch, T steps, C H W bottleneck. x_0 is what the U-Net works on: an image in [-1, 1], or its latents.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.denoiser import Denoiser
from pipeline.diffusion import Noise, OnH, ReverseProcess
from pipeline.errors import UserError


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
def ddim(process: ReverseProcess, denoiser: Denoiser, x_0: Tensor, iterations: int = 1, on_h: OnH | None = None) -> Inverted:
    """x_T from which eta = 0 comes back to about x_0.

    Eq. 2 at eta = 0 is solved for x_t, which stands on both sides, since eps is the U-Net's at x_t: `iterations` passes a step,
    starting from eps at x_{t-1}. One is the usual inversion; more bring it closer (fixed point: Pan et al., ICCV 2023).
    `on_h` receives h of the last iteration, from the least noisy step to step 0.
    """
    if any(process.etas):
        raise UserError(f"DDIM inversion needs eta = 0, and eta is {process.eta}. Use the edit-friendly inversion for eta > 0.")
    if iterations < 1:
        raise UserError(f"{iterations} iterations: expected at least 1.")
    x = x_0.to(denoiser.device)
    for step in reversed(range(process.steps)):
        level = process.levels[step]
        a, s = level.alpha**0.5, (1 - level.alpha) ** 0.5
        a_previous, s_previous = level.alpha_previous**0.5, (1 - level.alpha_previous) ** 0.5
        x_t = x
        for _ in range(iterations):
            output, h = denoiser(x_t, level.timestep)
            _, eps = process.predict(step, x_t, output)
            x_t = a * (x - s_previous * eps) / a_previous + s * eps
        if on_h:
            on_h(step, level.timestep, h.cpu())
        x = x_t
    return Inverted(x)


@torch.inference_mode()
def edit_friendly(
    process: ReverseProcess, denoiser: Denoiser, x_0: Tensor, noise: Noise, on_h: OnH | None = None
) -> Inverted:
    """x_T and sigma_t z_t that lead from x_T to x_0, to rounding.

    Each x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) n_t has noise of its own, from `noise`, and z_t is what Eq. 2 lacks to come
    from x_t to x_{t-1} (Alg. 1 of the paper). The last step adds what is left to x_0, though its sigma is 0. `on_h` receives h of
    every step, step 0 first. The T images of noise are kept on the host.
    """
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


def _noised(x_0: Tensor, alpha: float, noise: Tensor) -> Tensor:
    """x_t of the forward process: sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) noise."""
    return alpha**0.5 * x_0 + (1 - alpha) ** 0.5 * noise.to(x_0)
