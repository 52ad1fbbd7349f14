"""Train the bundled U-Net: v-prediction, cosine betas, AdamW with an exponential moving average, resumable.

Its two deepest skip connections are closed: the convolution weights that would read them are zero and stay zero, so what is
coarser than a quarter of the image's resolution passes through the mid block, and h-space carries the attributes instead of
the skips around it. (A group norm that spans both still sees the skips' variance; that is all.) The result is an ordinary
diffusers `UNet2DModel`; nothing about closing is needed to run it.
"""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DModel
from torch import Tensor

from pipeline.domains.portraits.data import SIZE, to_float

CLOSED_LEVELS = 2  # the two lowest resolutions: 6 x 6 and 12 x 12


def new_unet() -> UNet2DModel:
    return UNet2DModel(
        sample_size=SIZE,
        block_out_channels=(16, 48, 96, 128),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"),
        attention_head_dim=32,
        norm_num_groups=4,  # few and wide: normalising each channel alone would lose the mean colour
    )


def new_scheduler() -> DDIMScheduler:
    """Trailing timesteps start at the noisiest one, where the cosine schedule is pure noise."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
    )


def close_skips(unet: UNet2DModel, levels: int) -> None:
    """Zero the weights that read the skip connections of the `levels` lowest resolutions, and keep them zero."""
    skips = [unet.conv_in.out_channels]
    for block in unet.down_blocks:
        skips += [resnet.conv1.out_channels for resnet in block.resnets]
        skips += [down.conv.out_channels for down in block.downsamplers or []]
    for level, block in enumerate(unet.up_blocks):
        for resnet in block.resnets:
            n_skip = skips.pop()  # the last channels of the resnet's input
            for conv in (resnet.conv1, resnet.conv_shortcut):
                if level < levels and conv is not None:
                    _freeze_at_zero(conv.weight, slice(conv.in_channels - n_skip, None))


def _freeze_at_zero(weight: torch.nn.Parameter, channels: slice) -> None:
    mask = torch.ones_like(weight)
    mask[:, channels] = 0
    weight.data.mul_(mask)
    weight.register_hook(lambda gradient: gradient * mask)


@dataclass
class UnetTraining:
    """`steps` gradient steps; the learning rate is flat, then falls to zero over the last `cooldown` share."""

    images: Tensor  # (n, 3, SIZE, SIZE) uint8
    state: Path  # folder of the checkpoint to resume from
    steps: int
    seed: int = 0
    batch: int = 32
    learning_rate: float = 5e-4
    warmup: int = 200
    cooldown: float = 0.3
    ema_decay: float = 0.999
    save_every: int = 200

    def run(self, report: Callable[[int, float], None] = lambda step, loss: None) -> UNet2DModel:
        """Train, or go on from the checkpoint; `report(step, loss)` after each step. Returns the averaged model."""
        torch.manual_seed(self.seed)
        unet, ema = (new_unet().to(memory_format=torch.channels_last) for _ in range(2))
        close_skips(unet, CLOSED_LEVELS)
        ema.load_state_dict(unet.state_dict())
        optimizer = torch.optim.AdamW(unet.parameters(), lr=self.learning_rate, weight_decay=1e-3)
        checkpoint = self.state / "unet.pt"
        first = 0
        if checkpoint.exists():
            saved = torch.load(checkpoint, weights_only=True)
            unet.load_state_dict(saved["unet"])
            ema.load_state_dict(saved["ema"])
            optimizer.load_state_dict(saved["optimizer"])
            first = saved["step"]

        alphas_cumprod = new_scheduler().alphas_cumprod
        for step in range(first, self.steps):
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * self.schedule(step)
            loss = self.loss(unet, alphas_cumprod, step)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
            optimizer.step()
            decay = min(self.ema_decay, (step + 1) / (step + 10))
            with torch.no_grad():
                torch._foreach_lerp_(list(ema.parameters()), list(unet.parameters()), 1 - decay)
            report(step + 1, loss.item())
            if (step + 1) % self.save_every == 0 or step + 1 == self.steps:
                saved = {
                    "unet": unet.state_dict(),
                    "ema": ema.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step + 1,
                }
                self.state.mkdir(parents=True, exist_ok=True)
                torch.save(saved, checkpoint.with_suffix(".tmp"))
                os.replace(checkpoint.with_suffix(".tmp"), checkpoint)
        return ema.eval()

    def schedule(self, step: int) -> float:
        rising = (step + 1) / self.warmup
        left = (self.steps - step) / max(1, math.ceil(self.cooldown * self.steps))
        return min(1.0, rising, left)

    def loss(self, unet: UNet2DModel, alphas_cumprod: Tensor, step: int) -> Tensor:
        """Mean squared error of v = sqrt(alpha) eps - sqrt(1 - alpha) x_0 (Salimans and Ho 2022)."""
        stream = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        rows = torch.randint(len(self.images), (self.batch,), generator=stream)
        x_0 = to_float(self.images[rows])
        eps = torch.randn(x_0.shape, generator=stream)
        t = torch.randint(len(alphas_cumprod), (self.batch,), generator=stream)
        alpha = alphas_cumprod[t].view(-1, 1, 1, 1)
        x_t = alpha.sqrt() * x_0 + (1 - alpha).sqrt() * eps
        v = alpha.sqrt() * eps - (1 - alpha).sqrt() * x_0
        x_t = x_t.contiguous(memory_format=torch.channels_last)
        return (unet(x_t, t).sample - v).square().mean()
