"""Train the bundled U-Net: v-prediction, cosine betas, AdamW with an exponential moving average, resumable.

Its two deepest skip connections are closed: the convolution weights that would read them are zero and stay zero, so what is
coarser than a quarter of the image's resolution passes through the mid block, and h-space carries the attributes instead of
the skips around it. (A group norm that spans both still sees the skips' variance; that is all.) The result is an ordinary
diffusers `UNet2DModel`; nothing about closing is needed to run it.
"""

from dataclasses import dataclass

import torch
from diffusers import DDIMScheduler, UNet2DModel
from torch import Tensor

from pipeline.domains.portraits.data import SIZE
from pipeline.domains.unet_training import UnetTraining

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
class PortraitTraining(UnetTraining):
    """Of portraits; v is predicted."""

    learning_rate: float = 5e-4
    weight_decay: float = 1e-3
    closed_levels: int = CLOSED_LEVELS  # 0 leaves every skip connection open, as U-Nets usually have them

    def new_unet(self) -> UNet2DModel:
        unet = new_unet()
        close_skips(unet, self.closed_levels)
        return unet

    def new_scheduler(self) -> DDIMScheduler:
        return new_scheduler()

    def target(self, x_0: Tensor, eps: Tensor, alpha: Tensor) -> Tensor:
        """Return v = sqrt(alpha) eps - sqrt(1 - alpha) x_0 (Salimans and Ho 2022)."""
        return alpha.sqrt() * eps - (1 - alpha).sqrt() * x_0
