"""Models are found in two layouts, known by their contents, and refused with a reason where they cannot work."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, FlowMatchEulerDiscreteScheduler, UNet2DModel
from safetensors.torch import load_file, save_file

from pipeline import models
from pipeline.errors import UserError
from pipeline.stage import settings
from pipeline.stages.sample import Sample

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(tiny_model, tmp_path) -> Path:
    """A copy of the tiny model, to be damaged."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def change(path: Path, **changes: object) -> None:
    """Change fields of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def output(unet: UNet2DModel) -> torch.Tensor:
    x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return unet(x, 500).sample


# What is found


def test_a_pipeline_folder(model):
    found = models.find(str(model))
    assert found.h_shape() == (16, 8, 8)
    assert found.x_shape == (3, 16, 16)
    assert (found.name, found.folder, found.revision) == (str(model), str(model), None)


def test_a_bare_folder_holds_the_same_model(model, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(model / "unet", bare)
    shutil.copy(model / "scheduler" / "scheduler_config.json", bare)
    found, expected = models.find(str(bare)), models.find(str(model))
    assert settings(found) == settings(expected)
    assert torch.equal(output(found.load()), output(expected.load()))


def test_what_is_loaded_is_what_diffusers_loads_ready_to_run(model):
    unet = models.find(str(model)).load()
    assert not unet.training and not any(parameter.requires_grad for parameter in unet.parameters())
    assert unet.dtype == torch.float32
    expected = UNet2DModel.from_pretrained(model / "unet").eval()
    torch.testing.assert_close(output(unet), output(expected), atol=1e-5, rtol=1e-5)


def test_a_model_is_known_by_its_contents_wherever_it_lies(tiny_model, model):
    here, there = (Sample(models.find(str(folder)), n=8, steps=2) for folder in (tiny_model, model))
    assert here.model.folder != there.model.folder
    assert here.fingerprint == there.fingerprint

    change(model / "scheduler" / "scheduler_config.json", beta_end=0.03)
    assert Sample(models.find(str(model)), n=8, steps=2).fingerprint != here.fingerprint


def test_other_weights_are_another_model(tiny_model, model):
    path = model / "unet" / WEIGHTS
    tensors = load_file(path)
    tensors["conv_in.bias"] = tensors["conv_in.bias"] + 1
    save_file(tensors, path)
    assert models.find(str(model)).weights != models.find(str(tiny_model)).weights


def test_weights_under_the_names_of_2022_are_read(model, tiny_model):
    """google/ddpm-celebahq-256, the paper's model, has them."""
    path = model / "unet" / WEIGHTS
    old = {new: key for key, new in models._RENAMED.items()}

    def renamed(key: str) -> str:
        for new in old:
            key = key.replace(new, old[new])
        return key

    tensors = {renamed(key): tensor for key, tensor in load_file(path).items()}
    assert "mid_block.attentions.0.query.weight" in tensors
    save_file(tensors, path)
    assert torch.equal(output(models.find(str(model)).load()), output(models.find(str(tiny_model)).load()))


def test_half_precision_weights_under_their_own_name_are_loaded_as_float32(model, tiny_model):
    UNet2DModel.from_pretrained(model / "unet").half().save_pretrained(model / "unet", variant="fp16")
    full = models.find(str(tiny_model))
    assert models.find(str(model)).weights == full.weights, "the full ones where there are both"

    (model / "unet" / WEIGHTS).unlink()
    unet = models.find(str(model)).load()
    assert unet.dtype == torch.float32
    torch.testing.assert_close(output(unet), output(full.load()), atol=1e-2, rtol=1e-2)


def test_the_scheduler_keeps_the_model_s_betas_and_only_clipping_is_overridden(model):
    DDPMScheduler(beta_schedule="squaredcos_cap_v2", clip_sample=False).save_pretrained(model / "scheduler")
    found = models.find(str(model))
    assert isinstance(found.ddim(), DDIMScheduler)
    assert found.ddim().config.beta_schedule == "squaredcos_cap_v2"
    assert [found.ddim(clip).config.clip_sample for clip in (None, True, False)] == [False, True, False]


def test_fields_and_classes_of_schedulers_to_come_do_no_harm(model):
    path = model / "scheduler" / "scheduler_config.json"
    change(path, _class_name="SchedulerOfTomorrow", tomorrow=1)
    assert models.find(str(model)).ddim().config.beta_end == DDPMScheduler().config.beta_end


# What is refused, and how


def refused(folder: Path | str, match: str) -> None:
    with pytest.raises(UserError, match=match) as error:
        models.find(str(folder))
    assert len(str(error.value).splitlines()) <= 4


def test_a_folder_that_is_not_there(tmp_path):
    refused(tmp_path / "nowhere", "There is no model folder .*nowhere.\nExpected a folder with unet/ and scheduler/")


@pytest.mark.parametrize("name", ["portraits", "a/b/c", "./a/b", "../model"])
def test_what_is_neither_a_folder_nor_a_hub_id(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(name, f"There is no model folder {name}.\n.*or a hub id such as google/ddpm-celebahq-256")


def test_a_hub_id_without_a_network(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # the variable is read at import
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    refused(
        "planted/no-such-model", "is no folder here, and the hub did not give it: .*\nCheck the name and the network"
    )


def test_a_model_of_the_hub_is_recorded_with_its_commit(model, tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    shutil.move(model, tmp_path / commit)
    monkeypatch.setattr(models, "snapshot_download", lambda name, **options: str(tmp_path / commit))
    found = models.find("planted/model")
    assert (found.name, found.revision) == ("planted/model", commit)


def test_no_weights(model):
    (model / "unet" / WEIGHTS).unlink()
    refused(model, f"unet holds no weights; expected {WEIGHTS}")


def test_pickled_weights_are_never_read(model):
    (model / "unet" / WEIGHTS).unlink()
    (model / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    refused(model, r"only as a pickle \(diffusion_pytorch_model.bin\), which can run code")


def test_several_weights_none_of_which_is_the_plain_one(model):
    weights = model / "unet" / WEIGHTS
    shutil.copy(weights, weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    weights.rename(weights.with_name("diffusion_pytorch_model.non_ema.safetensors"))
    refused(model, "holds 2 weight files; expected one")


@pytest.mark.parametrize("kept", [0, 4, 1000, -100])
def test_half_a_file(model, kept):
    path = model / "unet" / WEIGHTS
    path.write_bytes(path.read_bytes()[:kept])
    refused(model, f"{WEIGHTS} cannot be read as safetensors .* half a file\\? Copy it again")


def test_a_wrong_channel_count_at_the_bottleneck(model):
    change(model / "unet" / "config.json", block_out_channels=[8, 12])
    refused(model, r"has shape \(16,\), but config.json makes it \(12,\).\nThe weights and the config")


def test_weights_of_a_shallower_model(model):
    change(model / "unet" / "config.json", layers_per_block=2)
    refused(model, r"lacks \d+ of \d+ tensors, .* first")


def test_a_configuration_that_makes_no_u_net(model):
    change(model / "unet" / "config.json", down_block_types=["DownBlock2D", "BlockOfTomorrow"])
    refused(model, "diffusers makes no U-Net of this configuration .*BlockOfTomorrow.*\nCopy the model's config.json")


def test_a_transformer_has_no_h_space(model):
    change(model / "unet" / "config.json", _class_name="DiTTransformer2DModel")
    refused(model, "holds a DiTTransformer2DModel; expected an unconditional UNet2DModel of diffusers")


def test_a_pipeline_of_another_kind(model):
    (model / "unet").rename(model / "transformer")
    refused(model, "config.json is missing: the U-Net's configuration")


def test_a_u_net_without_a_mid_block_has_no_h_space(model):
    change(model / "unet" / "config.json", mid_block_type=None)
    with pytest.raises(UserError, match="has no mid block, so it has no h-space"):
        models.find(str(model)).h_shape()


@pytest.mark.parametrize("content", ["{", "[]", "null", "\xff"])
@pytest.mark.parametrize("file", ["unet/config.json", "scheduler/scheduler_config.json"])
def test_damaged_json(model, file, content):
    (model / file).write_text(content, encoding="latin-1")
    refused(model, f"{file} .*Copy the whole folder again")


def test_no_scheduler(model):
    shutil.rmtree(model / "scheduler")
    refused(model, "scheduler_config.json is missing: the scheduler's configuration")


def test_a_scheduler_of_another_kind_of_model(model):
    FlowMatchEulerDiscreteScheduler().save_pretrained(model / "scheduler")
    refused(model, "The scheduler is a FlowMatchEulerDiscreteScheduler without betas; expected a diffusion model")


def test_a_scheduler_that_ddim_cannot_follow(model):
    change(model / "scheduler" / "scheduler_config.json", beta_schedule="of tomorrow")
    refused(model, "DDIM cannot use this scheduler .*of tomorrow.*\nCheck scheduler_config.json")


def test_weights_that_changed_after_they_were_found_are_not_loaded(model):
    found = models.find(str(model))
    path = model / "unet" / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="has changed since it was first read. Start the job again"):
        found.load()
