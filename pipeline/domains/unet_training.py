"""Training of a small U-Net, as the bundled models had it: AdamW, an exponential moving average of the weights, resumable.

A domain says which network, which scheduler, and what the network is to predict.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DModel
from torch import Tensor

Report = Callable[[int, float], None]  # the step, from 1, and its loss


@dataclass
class UnetTraining:
    """`steps` gradient steps; the learning rate rises, is flat, and falls to zero over the last `cooldown` share."""

    images: Tensor  # (n, channels, height, width) uint8
    state: Path  # folder of the checkpoint to resume from
    steps: int
    seed: int = 0
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    warmup: int = 200
    cooldown: float = 0.3
    ema_decay: float = 0.999
    save_every: int = 200

    def new_unet(self) -> UNet2DModel:
        """Make the network to be trained."""
        raise NotImplementedError(f"{type(self).__name__} does not say which network it trains")

    def new_scheduler(self) -> Any:
        """Make the scheduler of diffusers whose noise the network learns to take away."""
        raise NotImplementedError(f"{type(self).__name__} does not say by which betas it trains")

    def target(self, x_0: Tensor, eps: Tensor, alpha: Tensor) -> Tensor:
        """Return what the network is to predict of x_t = sqrt(alpha) x_0 + sqrt(1 - alpha) eps; without more said, eps."""
        return eps

    def run(self, report: Report = lambda step, loss: None) -> UNet2DModel:
        """Train, or go on from the checkpoint; `report(step, loss)` after each step. Returns the averaged model."""
        torch.manual_seed(self.seed)
        unet, average = (self.new_unet().to(memory_format=torch.channels_last) for _ in range(2))
        average.load_state_dict(unet.state_dict())
        optimizer = torch.optim.AdamW(unet.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        alphas_cumprod = self.new_scheduler().alphas_cumprod
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
        return self._share(step, self.steps)

    def _share(self, place: int, length: int) -> float:
        """The share of the learning rate at a place in a stretch of so many steps."""
        rising = (place + 1) / self.warmup
        left = (length - place) / max(1, math.ceil(self.cooldown * length))
        return min(1.0, rising, left)

    def loss(self, unet: UNet2DModel, alphas_cumprod: Tensor, step: int) -> Tensor:
        """Return the mean squared error of what is predicted; a step's images, noise and timesteps are its own."""
        stream = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        rows = torch.randint(len(self.images), (self.batch,), generator=stream)
        x_0 = self.images[rows].float() / 127.5 - 1
        eps = torch.randn(x_0.shape, generator=stream)
        t = torch.randint(len(alphas_cumprod), (self.batch,), generator=stream)
        alpha = alphas_cumprod[t].view(-1, 1, 1, 1)
        x_t = alpha.sqrt() * x_0 + (1 - alpha).sqrt() * eps
        predicted = unet(x_t.contiguous(memory_format=torch.channels_last), t).sample
        return (predicted - self.target(x_0, eps, alpha)).square().mean()

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
