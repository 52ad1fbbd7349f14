"""Train the U-Net of the digits as most are trained: a DDPM (Ho, Jain, Abbeel 2020) of diffusers' own parts, resumable.

Every skip connection is open, as in the models that people have: what h carries here, it carries beside them.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch import Tensor

from pipeline.domains.digits.data import SIZE, to_float

Report = Callable[[int, float], None]


def new_unet() -> UNet2DModel:
    """Return a U-Net of one channel in and out, 940,257 parameters, whose h is 72 x 4 x 4."""
    return UNet2DModel(
        sample_size=SIZE,
        in_channels=1,
        out_channels=1,
        block_out_channels=(8, 16, 48, 72),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"),
        attention_head_dim=8,
        norm_num_groups=4,
    )


def new_scheduler() -> DDPMScheduler:
    """Return what diffusers gives by default, 1,000 timesteps and epsilon predicted, but with cosine betas.

    With linear ones almost half of the timesteps are too noisy for images as smooth as these, and few steps go astray there.
    """
    return DDPMScheduler(beta_schedule="squaredcos_cap_v2")


@dataclass
class DigitTraining:
    """`steps` gradient steps, in cycles of `cycle`: each ends in a model, and a longer training goes on from a shorter one.

    In a cycle the learning rate is flat, then falls to zero over the last `cooldown` share (warm restarts).
    """

    images: Tensor  # (n, 1, SIZE, SIZE) uint8
    state: Path  # folder of the checkpoint to resume from
    steps: int
    seed: int = 0
    batch: int = 32
    learning_rate: float = 1e-3
    cycle: int = 3000
    warmup: int = 200
    cooldown: float = 0.4
    ema_decay: float = 0.999
    save_every: int = 250

    def run(self, report: Report = lambda step, loss: None) -> UNet2DModel:
        """Train, or go on from the checkpoint; `report(step, loss)` after each step. Returns the averaged model."""
        torch.manual_seed(self.seed)
        unet, average = (new_unet().to(memory_format=torch.channels_last) for _ in range(2))
        average.load_state_dict(unet.state_dict())
        optimizer = torch.optim.AdamW(unet.parameters(), lr=self.learning_rate)
        alphas_cumprod = new_scheduler().alphas_cumprod
        for step in range(self._resume(unet, average, optimizer), self.steps):
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * self.schedule(step)
            loss = self.loss(unet, alphas_cumprod, step)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
            optimizer.step()
            decay = min(self.ema_decay, (step + 1) / (step + 10))
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), list(unet.parameters()), 1 - decay)
            report(step + 1, loss.item())
            if (step + 1) % self.save_every == 0 or step + 1 == self.steps:
                self._save(step + 1, unet, average, optimizer)
        return average.eval()

    def schedule(self, step: int) -> float:
        """Return the share of the learning rate at a step."""
        place = step % self.cycle
        length = min(self.cycle, self.steps - (step - place))  # the last one may be shorter
        rising = (place + 1) / self.warmup
        left = (length - place) / max(1, math.ceil(self.cooldown * length))
        return min(1.0, rising, left)

    def loss(self, unet: UNet2DModel, alphas_cumprod: Tensor, step: int) -> Tensor:
        """Return the mean squared error of epsilon; a step's images, noise and timesteps are its own."""
        stream = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        rows = torch.randint(len(self.images), (self.batch,), generator=stream)
        x_0 = to_float(self.images[rows])
        eps = torch.randn(x_0.shape, generator=stream)
        t = torch.randint(len(alphas_cumprod), (self.batch,), generator=stream)
        alpha = alphas_cumprod[t].view(-1, 1, 1, 1)
        x_t = alpha.sqrt() * x_0 + (1 - alpha).sqrt() * eps
        return (unet(x_t.contiguous(memory_format=torch.channels_last), t).sample - eps).square().mean()

    @property
    def _checkpoint(self) -> Path:
        return self.state / "unet.pt"

    def _resume(self, unet: UNet2DModel, average: UNet2DModel, optimizer: torch.optim.Optimizer) -> int:
        if not self._checkpoint.exists():
            return 0
        saved = torch.load(self._checkpoint, weights_only=True)
        unet.load_state_dict(saved["unet"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        return int(saved["step"])

    def _save(self, step: int, unet: UNet2DModel, average: UNet2DModel, optimizer: torch.optim.Optimizer) -> None:
        states = {"unet": unet.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
        self.state.mkdir(parents=True, exist_ok=True)
        beside = self._checkpoint.with_suffix(".tmp")
        torch.save({**states, "step": step}, beside)
        os.replace(beside, self._checkpoint)
