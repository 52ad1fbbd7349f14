"""Published configurations: those that run make what diffusers' pipelines make, at reduced width; others are refused by name.

Weights are random. What is refused is refused by its configuration, before any weights are looked for.
"""

import json
import shutil
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMPipeline,
    DDIMScheduler,
    LDMPipeline,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)
from safetensors.torch import save_file

from pipeline.errors import UserError
from pipeline.hspace import inputs, points
from pipeline.hspace.noise import NoiseStreams
from pipeline.models import checkpoint, pretrained
from pipeline.models.pretrained import Model
from pipeline.stages.sources.sample import Sample
from tests.pipeline.models.published_models import CONFIGURATIONS, described, planted

SMALL_UNET = {"block_out_channels": [32, 32, 64, 64], "layers_per_block": 1, "sample_size": 8}
SMALL_CODER = {"block_out_channels": [32, 32, 32], "layers_per_block": 1}
SMALL_VAE = {"block_out_channels": [32, 32, 32, 32], "layers_per_block": 1}


@pytest.fixture(scope="module")
def ldm(tmp_path_factory) -> Path:
    """CompVis/ldm-celebahq-256, narrow. Do not write into it."""
    return planted(
        tmp_path_factory.mktemp("ldm") / "model",
        "ldm-celebahq-256",
        unet=SMALL_UNET,
        vqvae={**SMALL_CODER, "num_vq_embeddings": 64},
    )


@pytest.fixture(scope="module")
def cifar(tmp_path_factory) -> Path:
    """google/ddpm-cifar10-32, narrow. Do not write into it."""
    return planted(tmp_path_factory.mktemp("cifar") / "model", "ddpm-cifar10-32", unet=SMALL_UNET)


def drawn(model: Model, **settings) -> np.ndarray:
    """Two samples of four steps at eta = 0, as a stage draws them: (2, H, W, 3) uint8."""
    sample = Sample(model, n=2, steps=4, eta=0.0, batch=2, **settings)
    return sample.draw(sample.load(), range(2), lambda step, timestep, h: None)


def by_pipeline(pipeline, module: str, monkeypatch) -> np.ndarray:
    """The same two samples by a pipeline of diffusers."""
    noise = NoiseStreams(0, range(2), (pipeline.unet.config.in_channels, 8, 8)).x_T()
    monkeypatch.setattr(f"diffusers.pipelines.{module}.randn_tensor", lambda *shape, **options: noise)
    pipeline.set_progress_bar_config(disable=True)
    return np.round(pipeline(2, num_inference_steps=4, output_type="np").images * 255)


def difference(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return np.abs(ours.astype(int) - theirs.astype(int))


# One rule for clipping


def test_a_pixel_model_is_clipped_as_its_own_scheduler_says(cifar, monkeypatch):
    model = pretrained.find(str(cifar))
    scheduler = DDIMScheduler.from_pretrained(cifar / "scheduler")
    assert scheduler.config.clip_sample
    unet = UNet2DModel.from_pretrained(cifar / "unet")
    theirs = by_pipeline(DDIMPipeline(unet, scheduler), "ddim.pipeline_ddim", monkeypatch)
    assert difference(drawn(model), theirs).max() <= 1
    assert difference(drawn(model, clip=False), theirs).max() > 15, "the setting overrides it"
    assert model.ddim().config.clip_sample and not model.ddim(clip=False).config.clip_sample


def test_the_model_s_own_rule_is_the_same_setting_as_saying_it(cifar):
    model = pretrained.find(str(cifar))
    own, said, other = (Sample(model, n=2, steps=4, **how) for how in ({}, {"clip": True}, {"clip": False}))
    assert (own.clip, own.fingerprint) == (True, said.fingerprint)
    assert other.fingerprint != own.fingerprint


def test_latents_are_not_clipped_whatever_a_scheduler_s_file_says_or_leaves_out(ldm, tmp_path):
    model = Path(shutil.copytree(ldm, tmp_path / "model"))
    path = model / "scheduler" / "scheduler_config.json"
    published = json.loads(path.read_text())
    for named in ({"clip_sample": False}, {}, {"clip_sample": True}):
        path.write_text(json.dumps({key: published[key] for key in published if key != "clip_sample"} | named))
        found = pretrained.find(str(model))
        assert not found.clips and not found.ddim().config.clip_sample
    assert np.array_equal(drawn(found), drawn(pretrained.find(str(ldm))))
    assert difference(drawn(found, clip=True), drawn(found)).max() > 15, "the setting overrides it"


# Latents without a scale


def test_a_vq_model_that_names_no_scale_has_none(ldm, monkeypatch):
    """Its U-Net was trained on plain latents, whatever a later VQModel takes for granted."""
    assert "scaling_factor" not in json.loads((ldm / "vqvae" / "config.json").read_text())
    found = pretrained.find(str(ldm))
    assert json.loads(found.autoencoder)["scaling_factor"] == 1.0
    pipeline = LDMPipeline(
        VQModel.from_pretrained(ldm / "vqvae", scaling_factor=1.0),
        UNet2DModel.from_pretrained(ldm / "unet"),
        DDIMScheduler.from_pretrained(ldm / "scheduler"),
    )
    module = "deprecated.latent_diffusion_uncond.pipeline_latent_diffusion_uncond"
    apart = difference(drawn(found), by_pipeline(pipeline, module, monkeypatch))
    assert np.quantile(apart, 0.99) <= 1, "a latent near the border of two codes may go to the other"


def test_real_images_come_back_through_latents_without_a_scale(ldm):
    loaded = pretrained.find(str(ldm)).load()
    images = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        expected = VQModel.from_pretrained(ldm / "vqvae").eval().encode(pixels).latents
    torch.testing.assert_close(loaded.from_images(images), expected, atol=1e-5, rtol=1e-5)


# Under a text


@pytest.mark.parametrize(
    ("name", "size", "width"), [("stable-diffusion-v1-5", 64, 768), ("stable-diffusion-2-1", 96, 1024)]
)
def test_stable_diffusion_s_u_net_has_an_h_space_at_full_size(name, size, width):
    """Without weights: the names, the shapes and the checks of the whole network."""
    config = json.loads((CONFIGURATIONS / name / "unet" / "config.json").read_text())
    unet = checkpoint.without_weights(UNet2DConditionModel, config)
    h, output = points.h_shape(unet), points.output_shape(unet)
    assert (h, tuple(output)) == ((1280, size // 8, size // 8), (1, 4, size, size))
    assert inputs.empty_condition(unet).shape == (1, 1, width)


@pytest.mark.parametrize(
    ("name", "heads", "prediction"),
    [("stable-diffusion-v1-5", 8, "epsilon"), ("stable-diffusion-2-1", [1, 1, 2, 2], "v_prediction")],
)
def test_stable_diffusion_runs_under_an_embedding_that_lies_anywhere(tmp_path, name, heads, prediction):
    """At reduced width and size."""
    unet = {**SMALL_UNET, "cross_attention_dim": 24, "attention_head_dim": heads}
    model = planted(tmp_path / "model", name, unet=unet, vae=SMALL_VAE)
    embedding = torch.randn(1, 7, 24, generator=torch.Generator().manual_seed(3))
    save_file({"encoder_hidden_states": embedding}, tmp_path / "church.safetensors")

    nothing = pretrained.find(str(model))
    found = pretrained.find(str(model), condition=str(tmp_path / "church.safetensors"))
    assert (found.x_shape, found.image_shape) == ((4, 8, 8), (3, 64, 64))
    assert json.loads(found.autoencoder)["scaling_factor"] == 0.18215, "what such models were trained with"
    assert not (model / "condition.safetensors").exists() and found.condition != nothing.condition

    process = Sample(found, n=1, steps=2, eta=0.0).reverse_process
    loaded = found.load()
    ours = process.run(loaded.denoiser, NoiseStreams(0, [0], found.x_shape))

    network = UNet2DConditionModel.from_pretrained(model / "unet").eval()
    scheduler = DDIMScheduler.from_pretrained(model / "scheduler")
    assert scheduler.config.prediction_type == prediction
    scheduler.set_timesteps(2)
    x_t = NoiseStreams(0, [0], found.x_shape).x_T()
    with torch.inference_mode():
        for t in scheduler.timesteps:
            x_t = scheduler.step(network(x_t, t, embedding).sample, t, x_t).prev_sample
        expected = AutoencoderKL.from_pretrained(model / "vae").eval().decode(x_t / 0.18215).sample
    torch.testing.assert_close(ours, x_t, atol=1e-3, rtol=1e-3)
    shown = ((expected.clamp(-1, 1) + 1) * 127.5).round().permute(0, 2, 3, 1).numpy()
    assert difference(loaded.to_images(ours), shown).max() <= 1


def test_deepfloyd_if_draws_pixels_under_an_embedding_that_it_pools_and_projects_itself(tmp_path):
    """At reduced width; the half of its output that is a variance is left out."""
    narrow = {
        **SMALL_UNET,
        "attention_head_dim": 16,
        "cross_attention_dim": 64,
        "encoder_hid_dim": 48,
        "addition_embed_type_num_heads": 4,
    }
    model = planted(tmp_path / "model", "if-i-m-v1.0", unet=narrow)
    embedding = torch.randn(1, 5, 48, generator=torch.Generator().manual_seed(3))
    save_file({"encoder_hidden_states": embedding}, tmp_path / "text.safetensors")
    found = pretrained.find(str(model), condition=str(tmp_path / "text.safetensors"))
    assert (found.x_shape, found.clips) == ((3, 8, 8), True)
    assert "half of its output is left out" in found.notes[0]
    x_t = NoiseStreams(0, [0, 1], found.x_shape).x_T()
    loaded = found.load()
    with torch.inference_mode():
        network = UNet2DConditionModel.from_pretrained(model / "unet").eval()
        expected = network(x_t, 500, embedding.expand(2, -1, -1)).sample[:, :3]
        torch.testing.assert_close(
            loaded.denoiser(x_t, 500)[0], expected, atol=1e-3, rtol=0
        )  # float32 itself is 6e-5 off
        assert pretrained.find(str(model)).load().denoiser(x_t, 500)[0].shape == x_t.shape, "under nothing, too"
    assert Sample(found, n=2, steps=2).reverse_process.scheduler.config.thresholding


def test_an_embedding_that_is_not_there_or_is_no_number(tmp_path):
    model = planted(
        tmp_path / "model", "stable-diffusion-v1-5", unet={**SMALL_UNET, "cross_attention_dim": 24}, vae=SMALL_VAE
    )
    with pytest.raises(UserError, match="There is no file .*gone.safetensors; expected an embedding"):
        pretrained.find(str(model), condition=str(tmp_path / "gone.safetensors"))
    save_file({"encoder_hidden_states": torch.full((1, 3, 24), torch.nan)}, tmp_path / "nan.safetensors")
    with pytest.raises(UserError, match="nan.safetensors holds NaN or infinity; expected numbers"):
        pretrained.find(str(model), condition=str(tmp_path / "nan.safetensors"))


# Refused by name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("stable-diffusion-xl-base-1.0", r"more than one embedding \(as SDXL does\): a pooled one, and sizes"),
        ("kandinsky-2-2-decoder", "scheduler_config.json is missing|as Kandinsky 2.2 does"),
        (
            "ncsnpp-celebahq-256",
            "The scheduler, ScoreSdeVeScheduler, has no betas.*\nFlow matching and variance-exploding",
        ),
        ("lcm-dreamshaper-v7", "The scheduler, LCMScheduler, is that of a distilled model"),
        ("stable-diffusion-inpainting", "takes 9 channels and gives 4.*\nThe others are a mask and what is outside it"),
        ("stable-diffusion-x4-upscaler", "takes 7 channels and gives 4.*\nThe others are a small image"),
        ("stable-video-diffusion-img2vid-xt", "UNetSpatioTemporalConditionModel: a U-Net of videos"),
    ],
)
def test_published_models_that_do_not_run_are_refused_by_name(tmp_path, name, reason):
    refused(described(tmp_path, name), reason)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("UNet3DConditionModel", "a U-Net of videos, and h here is of one image"),
        ("UNetMotionModel", "a U-Net of videos"),
        ("UNet1DModel", "a U-Net of sound or of motion"),
        ("ControlNetModel", "an addition to a U-Net, which makes no image alone"),
        ("MotionAdapter", "an addition to a U-Net"),
        ("PriorTransformer", "a transformer has no bottleneck"),
        ("PixArtTransformer2DModel", "a transformer has no bottleneck"),
        ("StableCascadeUNet", "no U-Net with a mid block, so it has no h-space"),
        ("WuerstchenPrior", "no U-Net with a mid block"),
    ],
)
def test_networks_of_other_kinds_are_refused_by_name(tmp_path, kind, reason):
    assert kind == "WuerstchenPrior" or hasattr(diffusers, kind), "diffusers has it"
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": kind}))
    refused(tmp_path, f"holds a {kind}: {reason}.*\nUse a model with a U-Net")


def test_a_distilled_u_net_is_refused_whatever_its_scheduler(tmp_path):
    model = described(tmp_path, "lcm-dreamshaper-v7")
    scheduler = (CONFIGURATIONS / "stable-diffusion-v1-5" / "scheduler" / "scheduler_config.json").read_text()
    (model / "scheduler" / "scheduler_config.json").write_text(scheduler)
    refused(
        model,
        r"needs the strength of guidance beside the timestep \(a distilled, LCM, model\): time_cond_proj_dim is 256",
    )


@pytest.mark.parametrize("name", ["pytorch_lora_weights.safetensors", "adapter_config.json"])
def test_a_lora_is_no_model(tmp_path, name):
    (tmp_path / name).write_text("{}")
    refused(tmp_path, rf"holds a LoRA \({name}\), a change of a model's weights.*\nLoad the model in diffusers")


def test_a_cascade_is_no_model_with_an_h_space(tmp_path):
    (tmp_path / "decoder").mkdir()
    (tmp_path / "decoder" / "config.json").write_text("{}")
    refused(tmp_path, r"holds a decoder without a mid block \(decoder/\), and no U-Net with an h-space")


def refused(folder: Path, match: str) -> None:
    with pytest.raises(UserError, match=match) as error:
        pretrained.find(str(folder))
    assert len(str(error.value).splitlines()) <= 4
