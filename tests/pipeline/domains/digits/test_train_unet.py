import pytest
import torch
from diffusers import UNet2DModel

from pipeline.domains.digits import MODEL
from pipeline.domains.digits.data import SIZE
from pipeline.domains.digits.train_unet import DigitTraining, new_scheduler, new_unet


def training(tmp_path, steps: int, save_every: int = 1) -> DigitTraining:
    images = torch.randint(256, (16, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return DigitTraining(images, tmp_path, steps=steps, batch=2, save_every=save_every)


def test_the_network_is_small_grey_and_open():
    unet = new_unet()
    assert sum(weight.numel() for weight in unet.parameters()) == 940_257
    assert (unet.config["in_channels"], unet.config["out_channels"]) == (1, 1)
    h = []
    unet.mid_block.register_forward_hook(lambda module, args, out: h.append(out.shape))
    unet(torch.zeros(1, 1, SIZE, SIZE), 10)
    assert h == [(1, 72, 4, 4)]


def test_the_learning_rate_rises_rests_and_falls(tmp_path):
    schedule = training(tmp_path, 1000).schedule
    assert schedule(0) == pytest.approx(1 / 200)
    assert schedule(400) == 1
    assert schedule(800) == pytest.approx(0.5)
    assert 0 < schedule(999) < 0.01


def test_a_longer_training_begins_as_a_shorter_one_and_starts_again(tmp_path):
    short, long = training(tmp_path, 3000).schedule, training(tmp_path, 6000).schedule
    assert [short(step) for step in range(0, 3000, 50)] == [long(step) for step in range(0, 3000, 50)]
    assert [short(step) for step in range(0, 3000, 50)] == [long(step) for step in range(3000, 6000, 50)]
    shorter_last = training(tmp_path, 4000).schedule
    assert shorter_last(3500) == 1 and shorter_last(3800) == pytest.approx(0.5) and 0 < shorter_last(3999) < 0.01


def test_the_loss_is_that_of_epsilon(tmp_path):
    """A network that says nothing is wrong by the noise, whose variance is 1; one that knows the noise is not wrong."""
    steps, alphas_cumprod = training(tmp_path, 1), new_scheduler().alphas_cumprod
    steps.batch = 64

    class Silent(torch.nn.Module):
        def forward(self, x_t, t):
            return type("Output", (), {"sample": torch.zeros_like(x_t)})

    class Knowing(torch.nn.Module):
        def forward(self, x_t, t):
            alpha = alphas_cumprod[t].view(-1, 1, 1, 1)
            return type("Output", (), {"sample": (x_t - alpha.sqrt() * shade) / (1 - alpha).sqrt()})

    steps.images, shade = torch.full((4, 1, SIZE, SIZE), 204, dtype=torch.uint8), 0.6
    assert steps.loss(Silent(), alphas_cumprod, 3).item() == pytest.approx(1, abs=0.02)
    assert steps.loss(Knowing(), alphas_cumprod, 3).item() == pytest.approx(0, abs=1e-4)


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(tmp_path):
    class Stop(Exception):
        pass

    def stop(step: int, loss: float) -> None:
        if step == 2:
            raise Stop

    whole = training(tmp_path / "whole", 3).run()
    with pytest.raises(Stop):
        training(tmp_path / "halves", 3).run(stop)
    steps: list[int] = []
    halves = training(tmp_path / "halves", 3).run(lambda step, loss: steps.append(step))
    assert steps == [2, 3]  # the second step was not yet saved
    for name, weight in whole.state_dict().items():
        assert torch.equal(halves.state_dict()[name], weight), name


def test_the_bundled_weights_are_of_this_network_and_small():
    file = MODEL / "unet" / "diffusion_pytorch_model.safetensors"
    assert file.stat().st_size < 4_000_000
    bundled = UNet2DModel.from_pretrained(MODEL, subfolder="unet")
    assert {name: weight.shape for name, weight in bundled.state_dict().items()} == {
        name: weight.shape for name, weight in new_unet().state_dict().items()
    }
    skips = [resnet.conv1.weight for block in bundled.up_blocks for resnet in block.resnets]
    assert all(weight.abs().sum(dim=(0, 2, 3)).all() for weight in skips)  # none is closed
