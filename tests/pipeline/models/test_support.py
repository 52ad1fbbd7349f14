"""What a U-Net's configuration may say: sizes however they are written, grey images, a variance; all else is refused by name."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from PIL import Image

from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.hspace.noise import NoiseStreams
from pipeline.models import pretrained
from pipeline.models.pixels import from_uint8, luminance, to_uint8
from pipeline.stages.sources.sample import Sample
from tests.pipeline.planted_models import conditional_unet, save, unet, vq_model


def change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def model(tiny_model, tmp_path) -> Path:
    """A copy of the tiny model, to be changed."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def refused(folder: Path, match: str) -> None:
    with pytest.raises(UserError, match=match) as error:
        pretrained.find(str(folder))
    assert 2 <= len(str(error.value).splitlines()) <= 4, "found and expected, then what to do"


# Sizes


@pytest.mark.parametrize("size", [[16, 16], 16.0, [16.0, 16]])
def test_a_size_is_one_however_it_is_written(model, tiny_model, size):
    change(model / "unet" / "config.json", sample_size=size)
    found = pretrained.find(str(model))
    assert settings(found) == settings(pretrained.find(str(tiny_model)))
    assert found.load().denoiser.unet is not None, "its configuration counts as unchanged"


@pytest.mark.parametrize(
    ("size", "found"),
    [
        ("48", 'sample_size is "48" in .*; expected a whole number, or two'),
        (-48, "sample_size is -48"),
        (0, "sample_size is 0"),
        (True, "sample_size is true"),
        ([48], r"sample_size is \[48\]"),
        ([16, 16, 16], r"sample_size is \[16, 16, 16\]"),
        ([16, "16"], "sample_size is"),
        (16.5, "sample_size is 16.5"),
        ({"height": 16}, "sample_size is"),
        (47, "sample_size is 47 in .*, whose blocks halve it 1 times; expected multiples of 2"),
        ([16, 15], r"sample_size is \[16, 15\] in .*; expected multiples of 2"),
    ],
)
def test_a_size_that_is_none_or_that_the_blocks_do_not_divide(model, size, found):
    change(model / "unet" / "config.json", sample_size=size)
    refused(model, found)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"in_channels": "3"}, 'in_channels is "3" in .*; expected a whole number'),
        ({"in_channels": 0}, "in_channels is 0"),
        ({"out_channels": [3]}, r"out_channels is \[3\]"),
        ({"num_class_embeds": -1}, "num_class_embeds is -1"),
        (
            {"time_embedding_type": "of tomorrow"},
            'time_embedding_type is "of tomorrow" in .*; expected "positional" or',
        ),
        (
            {"time_embedding_type": "learned", "num_train_timesteps": 10},
            "has learned 10 timesteps .* its scheduler has 1000",
        ),
        ({"block_out_channels": "8, 16"}, "diffusers makes no UNet2DModel of this configuration"),
        ({"block_out_channels": [8, -16]}, "diffusers makes no UNet2DModel of this configuration"),
        ({"norm_num_groups": 5}, "diffusers makes no UNet2DModel of this configuration"),
        ({"layers_per_block": "1"}, "diffusers makes no UNet2DModel of this configuration"),
        ({"freq_shift": "none"}, r"does not run on 16 x 16 \(TypeError"),
        ({"_class_name": ["UNet2DModel"]}, "is of class .*; expected UNet2DModel or UNet2DConditionModel"),
        ({"num_class_embeds": 4, "class_embed_type": "of tomorrow"}, "needs class labels that are no plain numbers"),
    ],
)
def test_values_that_make_no_network(model, changes, found):
    change(model / "unet" / "config.json", **changes)
    with pytest.raises(UserError, match=found):
        pretrained.find(str(model))


def test_a_conditional_u_net_takes_sizes_that_its_blocks_do_not_divide(tmp_path):
    """diffusers brings the upsampled ones to the size of those that they meet."""
    odd = conditional_unet(sample_size=[15, 9], attention_head_dim=2, cross_attention_dim=12)
    found = pretrained.find(str(save(tmp_path / "model", unet=odd)))
    x_t = NoiseStreams(0, [0], found.x_shape).x_T()
    with torch.inference_mode():
        assert found.load().denoiser(x_t, 5)[0].shape == (1, 3, 15, 9)


# Timesteps without a number


def test_a_time_embedding_by_logarithms_gives_nan_at_timestep_0_and_is_refused_there(tmp_path):
    """In float32 as in any other precision."""
    network = unet(sample_size=16, time_embedding_type="fourier")
    found = pretrained.find(str(save(tmp_path / "model", DDIMScheduler(), unet=network)))
    with torch.inference_mode():
        output, _ = found.load().denoiser(NoiseStreams(0, [0], found.x_shape).x_T(), 0)
    assert output.isnan().all()
    with pytest.raises(UserError, match="takes the logarithm of the timestep .* it gives NaN there, in any precision"):
        Sample(found, n=2, steps=4).check()

    trailing = save(tmp_path / "trailing", DDIMScheduler(timestep_spacing="trailing"), unet=network)
    Sample(pretrained.find(str(trailing)), n=2, steps=4).check()


# Grey images


@pytest.fixture(scope="module")
def grey(tmp_path_factory) -> Path:
    """Grey images 16 x 24. Do not write into it."""
    return save(
        tmp_path_factory.mktemp("grey") / "model", unet=unet(sample_size=[16, 24], in_channels=1, out_channels=1)
    )


def test_grey_images_are_seen_as_rgb_and_noise_has_one_channel(grey):
    found = pretrained.find(str(grey))
    assert (found.x_shape, found.image_shape, found.h_shape()) == ((1, 16, 24), (1, 16, 24), (16, 8, 12))
    sample = Sample(found, n=3, steps=2, batch=3)
    images = sample.draw(sample.load(), range(3), lambda step, timestep, h: None)
    assert (images.shape, images.dtype) == ((3, 16, 24, 3), np.uint8)
    assert (images == images[..., :1]).all() and images.std() > 1


def test_a_grey_model_sees_the_luminance_of_colours_as_pillow_does(grey):
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), np.uint8)
    expected = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])
    assert np.array_equal(luminance(torch.from_numpy(images)).numpy(), expected)
    loaded = pretrained.find(str(grey)).load()
    x_0 = loaded.from_images(images)
    assert x_0.shape == (2, 1, 16, 24)
    back = loaded.to_images(x_0)
    assert np.array_equal(back, np.repeat(expected[..., None], 3, axis=3))
    assert torch.equal(loaded.from_images(back), x_0), "what is grey stays what it is"


def test_pixels_of_three_channels_are_left_as_they_are():
    images = torch.randint(0, 256, (2, 5, 7, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(to_uint8(from_uint8(images)), images)


def test_a_latent_model_of_grey_images(tmp_path):
    coder = vq_model(in_channels=1, out_channels=1)
    of_latents = unet(sample_size=8, in_channels=3, out_channels=3)
    loaded = pretrained.find(str(save(tmp_path / "model", unet=of_latents, vqvae=coder))).load()
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    x_0 = loaded.from_images(images)
    assert x_0.shape == (2, 3, 8, 8)
    shown = loaded.to_images(x_0)
    assert shown.shape == images.shape and (shown == shown[..., :1]).all()


@pytest.mark.parametrize("channels", [2, 4])
def test_images_of_other_channels(model, channels):
    change(model / "unet" / "config.json", in_channels=channels, out_channels=channels)
    refused(model, f"works on {channels} channels; expected 3, RGB, or 1, grey")


# Variances


@pytest.mark.parametrize("variance_type", ["learned", "learned_range"])
def test_a_variance_that_is_predicted_too_is_left_out_and_said(tmp_path, variance_type):
    network = unet(sample_size=16, out_channels=6)
    folder = save(tmp_path / "model", DDPMScheduler(variance_type=variance_type), unet=network)
    found = pretrained.find(str(folder))
    assert "half of its output is left out" in found.notes[0] and "fixed_small" in found.notes[0]

    x_t = NoiseStreams(0, [0, 1], found.x_shape).x_T()
    loaded = found.load()
    with torch.inference_mode():
        expected = UNet2DModel.from_pretrained(folder / "unet").eval()(x_t, 500).sample
        output, _ = loaded.denoiser(x_t, 500)
    assert output.shape == x_t.shape
    torch.testing.assert_close(output, expected[:, :3], atol=1e-5, rtol=1e-5)

    sample = Sample(found, n=2, steps=2, batch=2)
    assert sample.draw(loaded, range(2), lambda step, timestep, h: None).shape == (2, 16, 16, 3)


def test_a_variance_that_the_scheduler_s_kind_does_not_name(tmp_path):
    """DDIMScheduler has no variance_type: the channels say it."""
    folder = save(tmp_path / "model", DDIMScheduler(), unet=unet(sample_size=16, out_channels=6))
    assert pretrained.find(str(folder)).notes


def test_channels_and_a_variance_that_do_not_agree(model):
    change(model / "scheduler" / "scheduler_config.json", variance_type="learned_range")
    refused(model, "has variance_type 'learned_range', and the U-Net gives 3 channels; expected 6")
    change(model / "scheduler" / "scheduler_config.json", variance_type="fixed_large")
    [note] = pretrained.find(str(model)).notes
    assert "variance_type fixed_large" in note and "Eq. 5" in note
    change(model / "unet" / "config.json", out_channels=6)
    refused(model, "takes 3 channels and gives 6, and its scheduler has variance_type 'fixed_large'")
    change(model / "unet" / "config.json", out_channels=5)
    with pytest.raises(UserError, match="takes 3 channels and gives 5; expected as many, or twice as many"):
        pretrained.find(str(model))


def test_an_ordinary_model_has_no_notes(tiny_model):
    assert pretrained.find(str(tiny_model)).notes == ()
