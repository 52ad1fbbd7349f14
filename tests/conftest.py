"""What tests of many modules need: a real diffusion model that is made in a moment."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A folder as `save_pretrained` writes it, with an untrained U-Net: images 3 x 16 x 16, h 16 x 8 x 8. Do not write into it."""
    import torch
    from diffusers import DDPMScheduler, UNet2DModel

    folder = tmp_path_factory.mktemp("tiny") / "model"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = UNet2DModel(
            sample_size=16,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            layers_per_block=1,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        )
    unet.save_pretrained(folder / "unet")
    DDPMScheduler().save_pretrained(folder / "scheduler")
    return folder


@pytest.fixture
def tiny_unet(tiny_model):
    """The U-Net of `tiny_model`, loaded."""
    from pipeline.models import pretrained

    return pretrained.find(str(tiny_model)).load().denoiser.unet
