"""Where a model's U-Net lies: in every layout that the field has, and of several the one that was chosen by name."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DModel
from diffusers.training_utils import EMAModel

from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.formats.hashes import sha256
from pipeline.models import pretrained
from pipeline.stages.sources.sample import Sample
from tests.pipeline.models.making_weights import SAFE, pickled


@pytest.fixture
def model(tiny_model, tmp_path) -> Path:
    """A copy of the tiny model, to be changed."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def refused(model: Path, match: str, **choices) -> None:
    with pytest.raises(UserError, match=match) as error:
        pretrained.find(str(model), **choices)
    assert len(str(error.value).splitlines()) <= 4


def same(model: Path, expected: Path, **choices) -> None:
    """It is the same model, and loads the same weights."""
    ours, theirs = pretrained.find(str(model), **choices), pretrained.find(str(expected))
    assert settings(ours) == settings(theirs)
    assert torch.equal(ours.load().denoiser.unet.conv_in.weight, theirs.load().denoiser.unet.conv_in.weight)


# Layouts of one U-Net


def test_a_pipeline(model, tiny_model):
    (model / "model_index.json").write_text(
        json.dumps({"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"]})
    )
    same(model, tiny_model)


def test_everything_at_the_top(model, tiny_model, tmp_path):
    bare = Path(shutil.copytree(model / "unet", tmp_path / "bare"))
    shutil.copy(model / "scheduler" / "scheduler_config.json", bare)
    same(bare, tiny_model)


def test_the_u_net_at_the_top_and_its_scheduler_in_a_folder(model, tiny_model, tmp_path):
    bare = Path(shutil.copytree(model / "unet", tmp_path / "bare"))
    shutil.copytree(model / "scheduler", bare / "scheduler")
    same(bare, tiny_model)


def test_a_repository_of_2022_with_everything_at_the_top_and_pickled(model, tiny_model, tmp_path):
    """google/ddpm-ema-celebahq-256 is laid out so."""
    bare = Path(shutil.copytree(model / "unet", tmp_path / "bare"))
    shutil.copy(model / "scheduler" / "scheduler_config.json", bare)
    (bare / "model_index.json").write_text(json.dumps({"unet": ["diffusers", "UNet2DModel"]}))
    path = pickled(bare)
    found, expected = pretrained.find(str(bare)), pretrained.find(str(tiny_model))
    assert found.weights == sha256(path)
    assert (found.unet, found.scheduler) == (expected.unet, expected.scheduler)
    assert torch.equal(found.load().denoiser.unet.conv_in.weight, expected.load().denoiser.unet.conv_in.weight)


def test_a_config_at_the_top_that_is_no_u_net_s(model, tiny_model):
    """Some repositories have one so that the hub counts their downloads."""
    (model / "config.json").write_text("{}")
    same(model, tiny_model)


# Several U-Nets


@pytest.fixture
def averaged(model) -> Path:
    """As diffusers' training script leaves it: unet/, and unet_ema/ with other numbers and notes on the average."""
    unet = UNet2DModel.from_pretrained(model / "unet")
    average = EMAModel(unet.parameters(), model_cls=UNet2DModel, model_config=unet.config)
    average.shadow_params[0].add_(1)
    average.save_pretrained(model / "unet_ema")
    assert "inv_gamma" in (model / "unet_ema" / "config.json").read_text()
    return model


def test_a_choice_is_demanded(averaged):
    refused(averaged, "holds 2 U-Nets: unet, unet_ema.\nChoose one of them by `unet`")


@pytest.mark.parametrize("name", ["unet", "unet_ema"])
def test_the_one_that_was_chosen_is_read(averaged, name):
    found = pretrained.find(str(averaged), unet=name)
    assert found.weights == sha256(averaged / name / SAFE)
    expected = UNet2DModel.from_pretrained(averaged / name).conv_in.weight
    assert torch.equal(found.load().denoiser.unet.conv_in.weight, expected)


def test_a_choice_that_is_not_there(averaged):
    refused(averaged, "has no U-Net in a folder ema; it has unet, unet_ema. Change `unet`", unet="ema")
    refused(averaged, "has no U-Net in a folder scheduler; it has", unet="scheduler")
    refused(averaged, "has no U-Net in a folder ../model/unet; it has", unet="../model/unet")


def test_a_choice_that_is_damaged_or_no_u_net(averaged):
    (averaged / "unet_ema" / "config.json").write_text("{")
    refused(averaged, "unet_ema/config.json cannot be read as JSON", unet="unet_ema")
    (averaged / "unet_ema" / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    refused(averaged, "is of class AutoencoderKL; expected UNet2DModel", unet="unet_ema")


def test_the_same_numbers_under_either_name_are_the_same_model(averaged, tiny_model):
    shutil.copy(averaged / "unet" / SAFE, averaged / "unet_ema" / SAFE)
    here, there = (Sample(pretrained.find(str(averaged), unet=name), n=8, steps=2) for name in ("unet", "unet_ema"))
    assert here.fingerprint == there.fingerprint == Sample(pretrained.find(str(tiny_model)), n=8, steps=2).fingerprint


def test_an_average_alone_is_not_taken_in_silence(averaged):
    shutil.rmtree(averaged / "unet")
    refused(averaged, "holds a U-Net in unet_ema alone, where unet was expected. If you mean it, choose it by `unet`")
    assert pretrained.find(str(averaged), unet="unet_ema").weights == sha256(averaged / "unet_ema" / SAFE)


def test_one_at_the_top_and_one_below(model):
    shutil.copytree(model / "unet", model, dirs_exist_ok=True)
    refused(model, "holds 2 U-Nets: ., unet.\nChoose one of them by `unet`")
    assert pretrained.find(str(model), unet=".").weights == pretrained.find(str(model), unet="unet").weights


def test_a_choice_where_there_is_none_to_make(model, tiny_model):
    same(model, tiny_model, unet="unet")
    refused(model, "has no U-Net in a folder unet_ema; it has unet. Change `unet`", unet="unet_ema")


# Quantised


@pytest.mark.parametrize("said", [{"quant_method": "bitsandbytes", "load_in_8bit": True}, {"quant_method": "gguf"}])
def test_a_configuration_of_quantised_weights(model, said):
    path = model / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": said}))
    refused(
        model,
        f"the weights are quantised .quantization_config: {said['quant_method']}.; these are not run here.\nTake the full",
    )
