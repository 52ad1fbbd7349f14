"""Latent models: images are decoded and encoded as diffusers' pipelines do it, and the decoder belongs to the identity."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, LDMPipeline, UNet2DModel, VQModel
from PIL import Image
from safetensors.torch import load_file, save_file

from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.formats.hashes import sha256
from pipeline.hspace.noise import NoiseStreams
from pipeline.models import pretrained
from pipeline.models.autoencoder import Autoencoder, Scaling
from pipeline.models.tensors import RENAMED
from pipeline.stages.sources.sample import Sample
from tests.pipeline.planted_models import save_latent

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="session")
def vq_model(tmp_path_factory) -> Path:
    """As CompVis/ldm-celebahq-256: latents 3 x 8 x 12, images 3 x 16 x 24. Do not write into it."""
    return save_latent(tmp_path_factory.mktemp("vq") / "model", "vqvae", [8, 12])


@pytest.fixture(scope="session")
def kl_model(tmp_path_factory) -> Path:
    """As the latent models with a variational autoencoder: latents 4 x 8 x 12, images 3 x 16 x 24. Do not write into it."""
    return save_latent(tmp_path_factory.mktemp("kl") / "model", "vae", [8, 12], shift_factor=0.1)


@pytest.fixture(params=["vq_model", "kl_model"])
def latent(request) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture
def model(vq_model, tmp_path) -> Path:
    """A copy of the model with a `VQModel`, to be damaged."""
    return Path(shutil.copytree(vq_model, tmp_path / "model"))


def images(n: int = 2) -> np.ndarray:
    """(n, 16, 24, 3) uint8."""
    return np.random.default_rng(0).integers(0, 256, (n, 16, 24, 3), np.uint8)


def pixels(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def as_uint8(decoded: torch.Tensor) -> np.ndarray:
    """What a pipeline of diffusers makes of a decoded image, as an 8-bit picture."""
    shown = (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    return (shown * 255).round().astype("uint8")


def change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


# Shapes and identity


def test_images_are_larger_than_latents(vq_model, kl_model):
    vq, kl = pretrained.find(str(vq_model)), pretrained.find(str(kl_model))
    assert (vq.x_shape, vq.image_shape, vq.h_shape()) == ((3, 8, 12), (3, 16, 24), (16, 4, 6))
    assert (kl.x_shape, kl.image_shape, kl.h_shape()) == ((4, 8, 12), (3, 16, 24), (16, 4, 6))


def test_the_autoencoder_belongs_to_the_identity(model, vq_model):
    found = pretrained.find(str(model))
    assert found.autoencoder_weights == sha256(model / "vqvae" / WEIGHTS)
    assert json.loads(found.autoencoder)["_class_name"] == "VQModel"
    fingerprint = Sample(found, n=8, steps=2).fingerprint
    assert fingerprint == Sample(pretrained.find(str(vq_model)), n=8, steps=2).fingerprint, "wherever it lies"

    change(model / "vqvae" / "config.json", scaling_factor=0.6)
    assert Sample(pretrained.find(str(model)), n=8, steps=2).fingerprint != fingerprint

    shutil.copy(vq_model / "vqvae" / "config.json", model / "vqvae")
    path = model / "vqvae" / WEIGHTS
    tensors = load_file(path)
    save_file({**tensors, "quant_conv.bias": tensors["quant_conv.bias"] + 1}, path)
    assert Sample(pretrained.find(str(model)), n=8, steps=2).fingerprint != fingerprint


# Images


def test_decodes_as_diffusers_does(latent):
    found = pretrained.find(str(latent))
    x_0 = NoiseStreams(0, range(11), found.x_shape).x_T()  # more than are decoded at once
    with torch.inference_mode():
        if (latent / "vqvae").exists():
            expected = VQModel.from_pretrained(latent / "vqvae").eval().decode(x_0 / 0.5).sample
        else:
            expected = AutoencoderKL.from_pretrained(latent / "vae").eval().decode(x_0 / 0.3 + 0.1).sample
    ours = found.load().to_images(x_0)
    assert (ours.shape, ours.dtype) == ((11, 16, 24, 3), np.uint8)
    assert np.abs(ours.astype(int) - as_uint8(expected)).max() <= 1
    assert ours.std() > 1


def test_encodes_as_diffusers_does(latent):
    loaded = pretrained.find(str(latent)).load()
    x_0 = loaded.from_images(images())
    with torch.inference_mode():
        if (latent / "vqvae").exists():
            expected = VQModel.from_pretrained(latent / "vqvae").eval().encode(pixels(images())).latents * 0.5
        else:
            encoded = AutoencoderKL.from_pretrained(latent / "vae").eval().encode(pixels(images()))
            expected = (encoded.latent_dist.mode() - 0.1) * 0.3
    torch.testing.assert_close(x_0, expected, atol=1e-5, rtol=1e-5)


def test_latents_of_a_mean_and_a_deviation_by_channel(kl_model):
    network = AutoencoderKL.from_pretrained(kl_model / "vae").eval()
    mean, std = [0.1, 0.2, 0.3, 0.4], [0.5, 1.0, 1.5, 2.0]
    network.register_to_config(latents_mean=mean, latents_std=std, shift_factor=None)
    x_0 = NoiseStreams(0, [0], (4, 8, 12)).x_T()
    by_channel = [torch.tensor(values).view(1, 4, 1, 1) for values in (mean, std)]
    with torch.inference_mode():
        # As in diffusers' StableDiffusionXLPipeline.
        expected = network.decode(x_0 * by_channel[1] / network.config.scaling_factor + by_channel[0]).sample
        torch.testing.assert_close(
            Autoencoder(network, Scaling.of(network.config)).decode(x_0), expected, atol=1e-5, rtol=1e-5
        )


def test_a_whole_run_is_that_of_the_pipeline_of_diffusers(tmp_path, monkeypatch, model):
    """LDMPipeline from the same x_T at eta = 0; it knows square images only."""
    change(model / "unet" / "config.json", sample_size=8)
    sample = Sample(pretrained.find(str(model)), n=3, steps=4, eta=0.0, batch=3, clip=False)
    store = Store(tmp_path / "store")
    out = tmp_path / "part"
    out.mkdir()
    sample.process(0, store, sample.setup(), out)

    cells = pq.read_table(out / "samples.parquet")["image"].to_pylist()
    made = np.stack([np.asarray(Image.open(io.BytesIO(cell["bytes"]))) for cell in cells])
    activations = pq.read_table(out / "activations.parquet")
    assert made.shape == (3, 16, 16, 3)
    assert (activations.num_rows, sample.h_shape) == (3 * 4, (16, 4, 4))

    monkeypatch.setattr(
        "diffusers.pipelines.deprecated.latent_diffusion_uncond.pipeline_latent_diffusion_uncond.randn_tensor",
        lambda shape, **options: NoiseStreams(0, range(3), shape[1:]).x_T(),
    )
    pipeline = LDMPipeline(
        VQModel.from_pretrained(model / "vqvae"),
        UNet2DModel.from_pretrained(model / "unet"),
        DDIMScheduler.from_pretrained(model / "scheduler"),
    )
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(3, num_inference_steps=4, output_type="np").images
    difference = np.abs(made.astype(int) - np.round(expected * 255))
    assert np.quantile(difference, 0.99) <= 1, "a latent near the border of two codes may go to the other"


# Checkpoints


@pytest.mark.parametrize("folder", ["vqvae", "vae"])
def test_weights_under_the_names_of_2022_are_read(vq_model, kl_model, tmp_path, folder):
    """CompVis/ldm-celebahq-256 has them, in the U-Net and in the autoencoder."""
    before = vq_model if folder == "vqvae" else kl_model
    model = Path(shutil.copytree(before, tmp_path / "model"))
    path = model / folder / WEIGHTS
    tensors = load_file(path)
    for new, old in {new: old for old, new in RENAMED.items()}.items():
        tensors = {key.replace(new, old): tensor for key, tensor in tensors.items()}
    assert "decoder.mid_block.attentions.0.query.weight" in tensors
    save_file(tensors, path)
    ours, expected = pretrained.find(str(model)).load(), pretrained.find(str(before)).load()
    assert torch.equal(ours.from_images(images()), expected.from_images(images()))
    x_0 = NoiseStreams(0, [0], pretrained.find(str(before)).x_shape).x_T()
    assert np.array_equal(ours.to_images(x_0), expected.to_images(x_0))


def refused(folder: Path, match: str) -> None:
    with pytest.raises(UserError, match=match) as error:
        pretrained.find(str(folder))
    assert len(str(error.value).splitlines()) <= 4


def test_half_a_file(model):
    path = model / "vqvae" / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])
    refused(model, f"vqvae/{WEIGHTS} cannot be read as safetensors .* half a file\\? Copy it again")


def test_weights_of_another_shape(model):
    change(model / "vqvae" / "config.json", num_vq_embeddings=128)
    refused(model, r"quantize.embedding.weight has shape \(64, 3\), but config.json makes it \(128, 3\)")


def test_an_autoencoder_of_another_kind(model):
    shutil.rmtree(model / "vqvae")
    AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4).save_pretrained(
        model / "vae"
    )
    refused(model, "vae is of class AutoencoderTiny; expected VQModel or AutoencoderKL of diffusers")


def test_an_autoencoder_of_another_model(model, kl_model):
    shutil.rmtree(model / "vqvae")
    shutil.copytree(kl_model / "vae", model / "vae")
    refused(model, "works on 3 channels, and its autoencoder on 4.\nThey belong to different models")


def test_two_autoencoders(model, kl_model):
    shutil.copytree(kl_model / "vae", model / "vae")
    refused(model, "holds vqvae and vae; expected one autoencoder")


def test_an_autoencoder_of_grey_images(model):
    change(model / "vqvae" / "config.json", out_channels=1)
    refused(model, r"vqvae takes images of 3 channels and makes images of 1; expected 3 \(RGB\), or 1 \(grey\)")


def test_latents_without_their_autoencoder(kl_model, tmp_path):
    shutil.copytree(kl_model / "unet", tmp_path / "unet")
    shutil.copytree(kl_model / "scheduler", tmp_path / "scheduler")
    refused(
        tmp_path, "works on 4 channels; expected 3, RGB, or 1, grey.\nIf these are latents, the autoencoder is missing"
    )


def test_an_autoencoder_that_the_index_names_and_is_not_there(model):
    index = {"_class_name": "LDMPipeline", "vqvae": ["diffusers", "VQModel"], "unet": ["diffusers", "UNet2DModel"]}
    (model / "model_index.json").write_text(json.dumps(index))
    pretrained.find(str(model))
    shutil.rmtree(model / "vqvae")
    refused(model, "vqvae is missing, and model_index.json names it. Copy the whole folder again")
    (model / "model_index.json").write_text(json.dumps({**index, "vqvae": [None, None]}))
    assert pretrained.find(str(model)).autoencoder is None


def test_an_autoencoder_that_changed_after_it_was_found_is_not_loaded(model):
    found = pretrained.find(str(model))
    path = model / "vqvae" / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="vqvae.* has changed since it was first read. Start the job again"):
        found.load()
    shutil.rmtree(model / "vqvae")
    with pytest.raises(UserError, match="The autoencoder of .* is gone since it was first read"):
        found.load()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"scaling_factor": "0.18"}, 'scaling_factor is "0.18" in .*; expected a number from'),
        ({"scaling_factor": 0}, "scaling_factor is 0 in"),
        ({"scaling_factor": -1}, "scaling_factor is -1 in"),
        ({"scaling_factor": [0.5]}, r"scaling_factor is \[0.5\] in"),
        ({"shift_factor": "none"}, 'shift_factor is "none" in .*; expected a number from'),
        ({"latents_mean": [0.1]}, r"latents_mean is \[0.1\] in .*; expected 3 numbers"),
        ({"block_out_channels": "8"}, "diffusers makes no VQModel of this configuration"),
    ],
)
def test_values_that_are_no_scale(model, changes, found):
    change(model / "vqvae" / "config.json", **changes)
    refused(model, found)


def test_a_scale_of_null_is_none(model, vq_model):
    change(model / "vqvae" / "config.json", scaling_factor=None)
    assert json.loads(pretrained.find(str(model)).autoencoder)["scaling_factor"] == 1.0
    assert json.loads(pretrained.find(str(vq_model)).autoencoder)["scaling_factor"] == 0.5
