from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DModel

from pipeline.domains.portraits import MODEL, OPEN_SKIPS
from pipeline.domains.portraits.data import SIZE
from pipeline.domains.portraits.train_unet import CLOSED_LEVELS, PortraitTraining, close_skips, new_scheduler, new_unet

# Channels that the resnets of each level, deepest first, read from a skip connection.
SKIPS = [(128, 96), (96, 48), (48, 16), (16, 16)]


@pytest.fixture
def unet():
    torch.manual_seed(0)
    unet = new_unet()
    close_skips(unet, CLOSED_LEVELS)
    return unet


def closed(unet):
    """Every closed skip: the resnet that reads it and its number of channels."""
    for level in range(CLOSED_LEVELS):
        yield from zip(unet.up_blocks[level].resnets, SKIPS[level], strict=True)


def weights_of_closed_skips(unet) -> list[torch.Tensor]:
    return [conv.weight[:, -n:] for resnet, n in closed(unet) for conv in (resnet.conv1, resnet.conv_shortcut)]


def test_closed_weights_are_zero_and_stay_zero_when_the_optimizer_steps(unet):
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-2, weight_decay=1e-2)
    before = unet.mid_block.resnets[0].conv1.weight.clone()
    for _ in range(2):
        optimizer.zero_grad()
        unet(torch.randn(2, 3, SIZE, SIZE), torch.tensor([900, 100])).sample.square().mean().backward()
        optimizer.step()
    assert not any(weight.any() for weight in weights_of_closed_skips(unet))
    assert (unet.mid_block.resnets[0].conv1.weight != before).any()


def test_the_other_weights_stay_open(unet):
    for resnet, n in closed(unet):
        assert resnet.conv1.weight[:, :-n].abs().sum((0, 2, 3)).all()
    for block in unet.up_blocks[CLOSED_LEVELS:]:
        for resnet in block.resnets:
            assert resnet.conv1.weight.abs().sum((0, 2, 3)).all()


def output_with_other_skips(unet, levels) -> torch.Tensor:
    """The output when what the convolutions of these levels read from their skips is replaced by noise."""

    def replace(conv, args, n):
        x = args[0].clone()
        x[:, -n:] = torch.randn(x[:, -n:].shape, generator=torch.Generator().manual_seed(1))
        return (x, *args[1:])

    hooks = [
        conv.register_forward_pre_hook(partial(replace, n=n))
        for level in levels
        for resnet, n in zip(unet.up_blocks[level].resnets, SKIPS[level], strict=True)
        for conv in (resnet.conv1, resnet.conv_shortcut)
    ]
    out = output(unet)
    for hook in hooks:
        hook.remove()
    return out


@torch.no_grad()
def output(unet) -> torch.Tensor:
    x = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    return unet.eval()(x, 500).sample


def test_the_output_does_not_depend_on_what_convolutions_read_from_closed_skips(unet):
    expected = output(unet)
    assert torch.equal(output_with_other_skips(unet, range(CLOSED_LEVELS)), expected)
    assert not torch.allclose(output_with_other_skips(unet, [2, 3]), expected, atol=1e-2)


def training(tmp_path, steps: int) -> PortraitTraining:
    images = torch.randint(256, (16, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return PortraitTraining(images, tmp_path, steps=steps, batch=2, save_every=1)


def test_the_learning_rate_rises_rests_and_falls(tmp_path):
    schedule = training(tmp_path, 1000).schedule
    assert schedule(0) == pytest.approx(1 / 200)
    assert schedule(400) == 1
    assert schedule(850) == pytest.approx(0.5)
    assert 0 < schedule(999) < 0.01


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(tmp_path, monkeypatch):
    class Stop(Exception):
        pass

    def stop(step: int, loss: float) -> None:
        if step == 2:
            raise Stop

    whole = training(tmp_path / "whole", 3).run()
    with pytest.raises(Stop):
        training(tmp_path / "halves", 3).run(stop)
    steps = []
    halves = training(tmp_path / "halves", 3).run(lambda step, loss: steps.append(step))
    assert steps == [2, 3]  # the second step was not yet saved
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(halves.state_dict()[name], weight, msg=name)


def test_the_scheduler_starts_from_pure_noise():
    scheduler = new_scheduler()
    scheduler.set_timesteps(25)
    assert scheduler.timesteps[0] == 999
    assert scheduler.alphas_cumprod[999] < 1e-6


@pytest.mark.parametrize("levels", [0, CLOSED_LEVELS])
def test_a_training_says_which_levels_it_closes(levels):
    images = torch.zeros(64, 3, SIZE, SIZE, dtype=torch.uint8)
    unet = PortraitTraining(images, Path(), steps=1, closed_levels=levels).new_unet()
    assert any(weight.any() for weight in weights_of_closed_skips(unet)) == (levels == 0)


@pytest.mark.parametrize(("folder", "closed_skips"), [(MODEL, True), (OPEN_SKIPS, False)])
def test_the_bundled_models_are_what_they_are_called(folder, closed_skips):
    unet = UNet2DModel.from_pretrained(folder / "unet")
    assert [not weight.any() for weight in weights_of_closed_skips(unet)] == [closed_skips] * 8
    assert (folder / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size < 8e6
