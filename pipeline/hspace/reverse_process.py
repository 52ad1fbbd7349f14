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
Shapes: B batch, T steps; h is (B, C, H, W) at most capture points, and (B, D), flat, at several at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.edits import Edit, by_point
from pipeline.hspace.noise import Noise

if TYPE_CHECKING:
    from diffusers import DDIMScheduler

OnH = Callable[[int, int, Tensor], None]  # step, timestep, h (B, ...) on the host, before any edit


@dataclass(frozen=True)
class Level:
    """The numbers of one step."""

    timestep: int
    alpha: float  # alpha_t, a cumulative product
    alpha_previous: float  # alpha_{t-1}
    sigma: float  # Eq. 5: in D_t
    noise: float  # what z_t is multiplied by: sigma, but for "fixed_large" variance


@dataclass(frozen=True)
class ReverseProcess:
    """Eq. 2 for one scheduler configuration, T steps, and eta (0 = DDIM, 1 = DDPM), one for all steps or one a step.

    P_t is clipped or thresholded where the scheduler's configuration asks for it. eps is not recomputed from what was
    clipped, as in `DDIMPipeline`; `ancestral` does that, and takes the scheduler's `variance_type`, as `DDPMPipeline` does.
    """

    scheduler: "DDIMScheduler"
    steps: int
    eta: float | tuple[float, ...] = 1.0
    ancestral: bool = False  # DDPMPipeline's loop, to the letter; eta must be 1

    def __post_init__(self) -> None:
        trained = self.scheduler.config.num_train_timesteps
        if not 1 <= self.steps <= trained:
            raise UserError(
                f"T = {self.steps} steps: expected 1 to {trained}, the timesteps that the model was trained on."
            )
        if isinstance(self.eta, tuple) and len(self.eta) != self.steps:
            raise UserError(
                f"eta has {len(self.eta)} values for T = {self.steps} steps: expected one, or one a step, noisiest first."
            )
        if outside := [eta for eta in self.etas if not 0 <= eta <= 1]:
            raise UserError(f"eta = {outside[0]}: expected 0 (DDIM) to 1 (DDPM).")
        if self.ancestral and set(self.etas) != {1.0}:
            raise UserError(f"eta = {self.eta}: the ancestral (DDPM) process has eta = 1.")
        if (prediction := self.scheduler.config.prediction_type) not in ("epsilon", "v_prediction", "sample"):
            raise UserError(f"The scheduler predicts {prediction!r}; expected epsilon, v_prediction or sample.")

    @property
    def etas(self) -> tuple[float, ...]:
        """eta of each step."""
        return self.eta if isinstance(self.eta, tuple) else (float(self.eta),) * self.steps

    @cached_property
    def timesteps(self) -> list[int]:
        """The T timesteps, noisiest first, in the scheduler's own spacing."""
        self.scheduler.set_timesteps(self.steps)
        # For some T (61 of 1,000, say) diffusers' trailing spacing yields one more by rounding: timestep -1, which is none.
        timesteps = self.scheduler.timesteps.tolist()[: self.steps]
        trained = self.scheduler.config.num_train_timesteps
        if timesteps[0] >= trained:
            raise UserError(
                f"T = {self.steps} steps with steps_offset = {self.scheduler.config.steps_offset} begin at timestep "
                f"{timesteps[0]}, and the model was trained on 0 to {trained - 1}. Take fewer steps."
            )
        return timesteps

    @cached_property
    def levels(self) -> list[Level]:
        return [self._level(step, t) for step, t in enumerate(self.timesteps)]

    def _level(self, step: int, t: int) -> Level:
        alpha = float(self.scheduler.alphas_cumprod[t])
        alpha_previous = self._alpha_previous(step, t)
        kept = 1 - alpha / alpha_previous
        sigma = self.etas[step] * ((1 - alpha_previous) / (1 - alpha)) ** 0.5 * kept**0.5  # Eq. 5
        noise = sigma
        if self.ancestral and self.scheduler.config.get("variance_type") == "fixed_large":
            noise = kept**0.5 if t > 0 else 0.0  # Ho et al. 2020, Sec. 3.2: sigma_t^2 = beta_t
        return Level(t, alpha, alpha_previous, sigma, noise)

    def _alpha_previous(self, step: int, t: int) -> float:
        """alpha_{t-1}, where diffusers has it: DDIM a fixed stride below t, DDPM at the next timestep of the list."""
        if self.ancestral:
            last = step == self.steps - 1
            return 1.0 if last else float(self.scheduler.alphas_cumprod[self.timesteps[step + 1]])
        previous = t - self.scheduler.config.num_train_timesteps // self.steps
        return float(self.scheduler.alphas_cumprod[previous] if previous >= 0 else self.scheduler.final_alpha_cumprod)

    @torch.inference_mode()
    def run(
        self,
        denoiser: Denoiser,
        noise: Noise,
        edits: Sequence[Edit] = (),
        on_h: OnH | None = None,
        asyrp: bool = False,
    ) -> Tensor:
        """Return x_0 (B, channels, height, width) made from noise, about [-1, 1] for images.

        The edits of h enter both P_t and D_t; with `asyrp` P_t only, at two passes a step (Kwon et al. 2023, Eq. 8).
        `on_h` receives h of every step; on a GPU while the next step is under way, so writing it costs no time there.
        """
        x_t = noise.x_T().to(denoiser.device)
        leaving = None
        changes = by_point(edits, denoiser.points) if edits else {}
        for step, level in enumerate(self.levels):
            edit = _at(step, changes) or None
            output, h = denoiser(x_t, level.timestep, edit)
            unedited = denoiser(x_t, level.timestep)[0] if asyrp and edit else None
            if on_h:
                if leaving:
                    on_h(*leaving.arrived())
                leaving = _Leaving(step, level.timestep, h)
            x_t = self.previous(step, x_t, output, noise.sigma_z(step, level.noise), unedited)
        if on_h and leaving:
            on_h(*leaving.arrived())
        return x_t

    @torch.no_grad()
    def states(self, denoiser: Denoiser, noise: Noise) -> Iterator[tuple[int, Tensor]]:
        """The unedited run, stopped at every step: (step, x_t), x_t as it enters the U-Net. Ask for no more steps than wanted."""
        x_t = noise.x_T().to(denoiser.device)
        for step, level in enumerate(self.levels):
            yield step, x_t
            output, _ = denoiser(x_t, level.timestep)
            x_t = self.previous(step, x_t, output, noise.sigma_z(step, level.noise))

    @torch.inference_mode()
    def followed(self, denoiser: Denoiser, noise: Noise) -> Iterator[tuple[Tensor, Tensor]]:
        """`run` without edits of its own, followed: after every step P_t, the image as that step predicts it, and x_{t-1}.

        The last x_{t-1} is what `run` returns, to the bit. Close it to stop between two steps.
        """
        x_t = noise.x_T().to(denoiser.device)
        for step, level in enumerate(self.levels):
            output, _ = denoiser(x_t, level.timestep)
            P_t, _ = self.predict(step, x_t, output)
            x_t = self.previous(step, x_t, output, noise.sigma_z(step, level.noise))
            yield P_t, x_t

    def previous(
        self, step: int, x_t: Tensor, output: Tensor, sigma_z: Tensor | None, unedited: Tensor | None = None
    ) -> Tensor:
        """Eq. 2: x_{t-1} from x_t. With `unedited` (Asyrp), D_t comes from that output and P_t from the other."""
        x_previous = self.mean(step, x_t, output, unedited)
        return x_previous if sigma_z is None else x_previous + sigma_z.to(x_t, non_blocking=True)

    def mean(self, step: int, x_t: Tensor, output: Tensor, unedited: Tensor | None = None) -> Tensor:
        """Eq. 2 without its noise: sqrt(alpha_{t-1}) P_t + D_t."""
        level = self.levels[step]
        P_t, eps = self.predict(step, x_t, output)
        if unedited is not None:
            _, eps = self.predict(step, x_t, unedited)
        D_t = max(0.0, 1 - level.alpha_previous - level.sigma**2) ** 0.5 * eps  # Eq. 4
        return level.alpha_previous**0.5 * P_t + D_t

    def predict(self, step: int, x_t: Tensor, output: Tensor) -> tuple[Tensor, Tensor]:
        """P_t (Eq. 3) and eps from the U-Net's output, by the scheduler's `prediction_type`."""
        a, s = self.levels[step].alpha ** 0.5, (1 - self.levels[step].alpha) ** 0.5
        match self.scheduler.config.prediction_type:
            case "v_prediction":
                P_t, eps = a * x_t - s * output, a * output + s * x_t
            case "sample":
                P_t, eps = output, (x_t - a * output) / s
            case _:
                P_t, eps = (x_t - s * output) / a, output
        P_t = self._within_range(P_t)
        return P_t, (x_t - a * P_t) / s if self.ancestral else eps

    def _within_range(self, P_t: Tensor) -> Tensor:
        config = self.scheduler.config
        if config.thresholding:  # Saharia et al. 2022, Sec. 2.3
            s = P_t.flatten(1).abs().quantile(config.dynamic_thresholding_ratio, dim=1)
            s = s.clamp(1, config.sample_max_value).view(-1, 1, 1, 1)
            return torch.clamp(P_t, -s, s) / s
        if config.clip_sample:
            return P_t.clamp(-config.clip_sample_range, config.clip_sample_range)
        return P_t


class _Leaving:
    """h on its way to the host. On a GPU the copy is queued behind the pass that made h, and waited for when it is needed."""

    def __init__(self, step: int, timestep: int, h: Tensor):
        self.step, self.timestep, self.h, self.copied = step, timestep, h, None
        if h.is_cuda:
            self.h = torch.empty(h.shape, dtype=h.dtype, pin_memory=True).copy_(h, non_blocking=True)
            self.copied = torch.cuda.Event()
            self.copied.record()

    def arrived(self) -> tuple[int, int, Tensor]:
        if self.copied:
            self.copied.synchronize()
        return self.step, self.timestep, self.h


def _at(step: int, edits: Mapping[str, Edit]) -> dict[str, Callable[[Tensor], Tensor]]:
    """The edits of one step as functions of h alone, by capture point."""
    return {point: partial(edit, step) for point, edit in edits.items()}
