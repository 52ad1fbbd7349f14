"""Hooks on an unmodified model: read, edit, and always let go."""

import pytest
import torch
from diffusers import UNet2DModel
from torch import nn

from pipeline.errors import UserError
from pipeline.hspace import bottleneck, h_shape


@pytest.fixture
def unet(tiny_unet) -> UNet2DModel:
    return tiny_unet


def test_the_offset_is_added_to_the_output_of_the_mid_block(unet):
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([5, 5])
    outputs = []
    handle = unet.up_blocks[0].register_forward_pre_hook(
        lambda module, args, kwargs: outputs.append(kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]),
        with_kwargs=True,
    )
    offset = torch.randn(2, 16, 8, 8)
    with torch.inference_mode(), bottleneck(unet) as opened:
        opened.delta_h = offset
        unet(x, t)
    handle.remove()
    torch.testing.assert_close(outputs[0], opened.h + offset)


def test_the_hook_is_removed_also_after_an_exception(unet):
    with pytest.raises(RuntimeError, match="stop"), bottleneck(unet):
        raise RuntimeError("stop")
    assert not unet.mid_block._forward_hooks


def test_the_shape_is_found_without_running_the_weights(unet):
    assert h_shape(unet) == (16, 8, 8)


def test_a_direction_of_another_model_is_refused(unet):
    with (
        torch.inference_mode(),
        bottleneck(unet) as opened,
        pytest.raises(UserError, match=r"\(12, 8, 8\).*\(16, 8, 8\)"),
    ):
        opened.delta_h = torch.zeros(1, 12, 8, 8)
        unet(torch.randn(1, 3, 16, 16), torch.tensor([5]))


def test_a_model_without_a_bottleneck_is_refused():
    with pytest.raises(UserError, match="no mid block"), bottleneck(nn.Linear(2, 2)):
        pass
