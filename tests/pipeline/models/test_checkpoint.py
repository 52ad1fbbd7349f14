"""A checkpoint under real configurations of the hub, laid out as in their repositories, with random weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DModel

from pipeline.formats.hashes import sha256
from pipeline.models import checkpoint, pretrained
from pipeline.stages.sources.sample import Sample
from tests.pipeline.models.making_weights import PICKLE, old_names
from tests.pipeline.planted_models import seeded

CONFIGURATIONS = Path(__file__).with_name("configurations")


@pytest.mark.parametrize("name", ["ddpm-ema-celebahq-256", "ddpm-church-256", "ddpm-bedroom-256"])
def test_a_configuration_of_2022_makes_the_network_of_ho_et_al(name):
    """Ho et al. 2020, App. B: 114 million parameters, attention with one head at 16 x 16 and in the mid block."""
    config = checkpoint.read_network(CONFIGURATIONS / name / "config.json", "a U-Net's configuration")
    network = checkpoint.without_weights(UNet2DModel, config)
    size = sum(parameter.numel() for parameter in network.parameters())
    assert size == 113_673_219
    assert network.mid_block.attentions[0].heads == 1
    assert len(network.down_blocks[4].attentions) == 2


@pytest.mark.slow
def test_the_paper_s_model_is_read_from_its_pickle_and_samples(tmp_path):
    """Everything at the top, as google/ddpm-ema-celebahq-256 has it, attention under its old names; float16 to be quick."""
    model = Path(shutil.copytree(CONFIGURATIONS / "ddpm-ema-celebahq-256", tmp_path / "model"))
    planted = seeded(UNet2DModel.from_config, config=json.loads((model / "config.json").read_text())).half()
    old = old_names(planted.state_dict())
    assert "down_blocks.4.attentions.0.proj_attn.weight" in old
    torch.save(old, model / PICKLE)

    found = pretrained.find(str(model))
    assert (found.weights, found.x_shape, found.h_shape()) == (sha256(model / PICKLE), (3, 256, 256), (512, 8, 8))
    loaded = found.load()
    held = loaded.denoiser.unet.state_dict()
    assert all(torch.equal(held[key], tensor.float()) for key, tensor in planted.state_dict().items())

    h = []
    images = Sample(found, n=1, steps=2, batch=1).draw(loaded, range(1), lambda *read: h.append(read[-1]))
    assert (images.shape, images.dtype) == ((1, 256, 256, 3), np.uint8)
    assert [tuple(each.shape) for each in h] == [(1, 512, 8, 8)] * 2
    assert all(each.isfinite().all() for each in h)
    assert images.std() > 1
