"""What tests of many modules need: a real diffusion model that is made in a moment."""

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # as many of them as cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers take files whole, whose fixtures are made once; those that start Ray are one group, which stands in them."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A folder as `save_pretrained` writes it, with an untrained U-Net: images 3 x 16 x 16, h 16 x 8 x 8. Do not write into it."""
    from diffusers import DDPMScheduler

    from tests.pipeline.planted_models import save, unet

    return save(tmp_path_factory.mktemp("tiny") / "model", DDPMScheduler(), unet=unet(sample_size=16))


@pytest.fixture
def tiny_unet(tiny_model):
    """The U-Net of `tiny_model`, loaded."""
    from pipeline.models import pretrained

    return pretrained.find(str(tiny_model)).load().denoiser.unet
