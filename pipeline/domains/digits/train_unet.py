"""Train the U-Net of the digits as most are trained: a DDPM (Ho, Jain, Abbeel 2020) of diffusers' own parts, resumable.

Every skip connection is open, as in the models that people have: what h carries here, it carries beside them.
"""

from dataclasses import dataclass

from diffusers import DDPMScheduler, UNet2DModel

from pipeline.domains.digits.data import SIZE
from pipeline.domains.unet_training import UnetTraining


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
class DigitTraining(UnetTraining):
    """`steps` gradient steps, in cycles of `cycle`: each ends in a model, and a longer training goes on from a shorter one.

    In a cycle the learning rate is flat, then falls to zero over the last `cooldown` share (warm restarts).
    """

    cooldown: float = 0.4
    save_every: int = 250
    cycle: int = 3000

    def new_unet(self) -> UNet2DModel:
        return new_unet()

    def new_scheduler(self) -> DDPMScheduler:
        return new_scheduler()

    def schedule(self, step: int) -> float:
        place = step % self.cycle
        return self._share(place, min(self.cycle, self.steps - (step - place)))  # the last one may be shorter
