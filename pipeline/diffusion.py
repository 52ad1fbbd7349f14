"""The reverse process, Eq. 2-5 of Haas et al. 2024 (arXiv 2303.11073), with h read and edited on the way.

    P_t = (x_t - sqrt(1 - alpha_t) eps) / sqrt(alpha_t)                                    (3)
    D_t = sqrt(1 - alpha_{t-1} - sigma_t^2) eps                                            (4)
    sigma_t = eta_t sqrt((1 - alpha_{t-1}) / (1 - alpha_t)) sqrt(1 - alpha_t / alpha_{t-1})  (5)
    x_{t-1} = sqrt(alpha_{t-1}) P_t + D_t + sigma_t z_t                                    (2)

    here                diffusers
    alpha_t             alphas_cumprod[t]
    P_t, D_t            pred_original_sample, pred_sample_direction
    z_t                 variance_noise

A *timestep* is what the scheduler yields (999..0); a *step* is its index, 0 the noisiest.
Shapes: B batch, T steps, C H W bottleneck.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.hspace import bottleneck


class NoiseStreams:
    """x_T and z_{T:1} of each sample, from one stream that belongs to (seed, sample_id) alone.

    So a sample is the same in any batch, shard, or order of workers, and the noise of two samples never overlaps.
    Noise is drawn on the CPU, where the bits do not depend on the device.
    """

    def __init__(self, seed: int, sample_ids: Sequence[int], shape: tuple[int, ...]):
        self.shape = shape
        self.streams = [torch.Generator().manual_seed(_stream_seed(seed, sample_id)) for sample_id in sample_ids]

    def next(self) -> Tensor:
        """(B, *shape): x_T at the first call, then z_T, z_{T-1}, ..."""
        return torch.stack([torch.randn(self.shape, generator=stream) for stream in self.streams])


def _stream_seed(seed: int, sample_id: int) -> int:
    digest = hashlib.sha256(f"{seed}/{sample_id}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


@dataclass(frozen=True)
class ReverseProcess:
    """Eq. 2 for one scheduler configuration, T steps and one eta (0 = DDIM, 1 = DDPM)."""

    scheduler: DDIMScheduler
    steps: int
    eta: float = 1.0

    def __post_init__(self) -> None:
        trained = self.scheduler.config.num_train_timesteps
        if not 1 <= self.steps <= trained:
            raise UserError(
                f"T = {self.steps} steps: expected 1 to {trained}, the timesteps that the model was trained on."
            )
        if not 0 <= self.eta <= 1:
            raise UserError(f"eta = {self.eta}: expected 0 (DDIM) to 1 (DDPM).")

    @property
    def timesteps(self) -> list[int]:
        """The T timesteps, noisiest first, in the scheduler's own spacing."""
        self.scheduler.set_timesteps(self.steps)
        return self.scheduler.timesteps.tolist()

    def alphas(self, t: int) -> tuple[float, float]:
        """alpha_t and alpha_{t-1}, cumulative products; past the last step the scheduler's `final_alpha_cumprod`."""
        previous = t - self.scheduler.config.num_train_timesteps // self.steps
        alphas_cumprod = self.scheduler.alphas_cumprod
        alpha_previous = alphas_cumprod[previous] if previous >= 0 else self.scheduler.final_alpha_cumprod
        return float(alphas_cumprod[t]), float(alpha_previous)

    @torch.inference_mode()
    def run(
        self,
        unet: nn.Module,
        noise: NoiseStreams,
        delta_h: Callable[[int], Tensor | None] = lambda step: None,
        on_h: Callable[[int, int, Tensor], None] = lambda step, timestep, h: None,
    ) -> Tensor:
        """From noise to images: x_0 (B, 3, H, W), about [-1, 1].

        `delta_h(step)` gives the offset (B, C, H, W) that is added to h, which enters both P_t and D_t;
        `on_h(step, timestep, h)` receives h (B, C, H, W) as it was before the offset.
        """
        parameter = next(unet.parameters())
        x_t = noise.next().to(parameter)
        with bottleneck(unet) as opened:
            for step, t in enumerate(self.timesteps):
                opened.delta_h = delta_h(step)
                timestep = torch.full((len(x_t),), t, device=x_t.device)
                output = unet(x_t, timestep).sample
                assert opened.h is not None
                on_h(step, t, opened.h)
                x_t = self.step(x_t, output, t, noise)
        return x_t

    def step(self, x_t: Tensor, output: Tensor, t: int, noise: NoiseStreams) -> Tensor:
        """Eq. 2: one step from x_t to x_{t-1}."""
        alpha, alpha_previous = self.alphas(t)
        P_t, eps = self.predict(x_t, output, alpha)
        sigma = self.eta * ((1 - alpha_previous) / (1 - alpha)) ** 0.5 * (1 - alpha / alpha_previous) ** 0.5
        D_t = (1 - alpha_previous - sigma**2) ** 0.5 * eps
        x_previous = alpha_previous**0.5 * P_t + D_t
        if sigma > 0:
            x_previous = x_previous + sigma * noise.next().to(x_t)
        return x_previous

    def predict(self, x_t: Tensor, output: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
        """P_t and eps from the U-Net's output, by the scheduler's `prediction_type`; P_t clipped where it asks for that."""
        a, s = alpha**0.5, (1 - alpha) ** 0.5
        match self.scheduler.config.prediction_type:
            case "epsilon":
                P_t, eps = (x_t - s * output) / a, output
            case "v_prediction":
                P_t, eps = a * x_t - s * output, a * output + s * x_t
            case "sample":
                P_t, eps = output, (x_t - a * output) / s
            case other:
                raise UserError(f"The scheduler predicts {other!r}; expected epsilon, v_prediction or sample.")
        if self.scheduler.config.clip_sample:
            P_t = P_t.clamp(-self.scheduler.config.clip_sample_range, self.scheduler.config.clip_sample_range)
        return P_t, eps


def to_uint8(x_0: Tensor) -> Tensor:
    """(B, 3, H, W) in [-1, 1] -> (B, H, W, 3) uint8 RGB."""
    return ((x_0.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
