"""What tests of many modules need: a real diffusion model that is made in a moment, and object storage on this machine."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks._servers import Server, moto, seaweedfs

if "PYTEST_XDIST_WORKER" in os.environ:  # as many of them as cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")


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


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Server]:
    """An S3 server of its own process, which every test of the session shares; each takes a folder of its own."""
    with moto() as server:
        yield server


@pytest.fixture(scope="session")
def seaweed_server() -> Iterator[Server]:
    """A real storage server of its own process, shared likewise. What uses it is slow: it takes 4 s to start."""
    with seaweedfs() as server:
        yield server


@pytest.fixture(params=["moto", pytest.param("seaweedfs", marks=pytest.mark.slow)])
def s3_server(request, monkeypatch) -> Server:
    """Both servers, one after the other, with the environment by which this process and its children reach it."""
    server = request.getfixturevalue({"moto": "moto_server", "seaweedfs": "seaweed_server"}[request.param])
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def s3_root(s3_server) -> str:
    """The address of an empty folder in the bucket."""
    return s3_server.url(f"run-{uuid.uuid4().hex}")
