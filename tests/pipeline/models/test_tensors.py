"""A checkpoint's tensors are those of the network: under other names at most, finite, none missing, none too many."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.errors import UserError
from pipeline.models import pretrained
from tests.pipeline.models.making_weights import SAFE, old_names, pickled, prefixed, rewritten
from tests.pipeline.planted_models import save, save_latent, unet


@pytest.fixture
def model(tiny_model, tmp_path) -> Path:
    """A copy of the tiny model, to be changed."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def weights(model: Path) -> dict[str, torch.Tensor]:
    return pretrained.find(str(model)).load().denoiser.unet.state_dict()


def refused(model: Path, match: str) -> str:
    with pytest.raises(UserError, match=match) as error:
        pretrained.find(str(model)).load()
    assert len(str(error.value).splitlines()) <= 4
    return str(error.value)


# Names


def _wrapped_blocks(tensors: dict) -> dict:
    """As torch.compile of some blocks leaves them."""
    return {key.replace("mid_block.", "mid_block._orig_mod."): tensor for key, tensor in tensors.items()}


@pytest.mark.parametrize(
    "change",
    [
        prefixed("module."),
        prefixed("_orig_mod."),
        prefixed("module._orig_mod."),
        prefixed("_orig_mod.module."),
        prefixed("module.module."),
        _wrapped_blocks,
        lambda tensors: prefixed("_orig_mod.")(old_names(tensors)),
    ],
)
def test_names_of_a_wrapped_network(model, tiny_model, change):
    rewritten(model / "unet", change)
    ours, theirs = weights(model), weights(tiny_model)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_wrapper_before_some_names_only(model):
    rewritten(model / "unet", lambda held: {**held, "module.conv_in.bias": held["conv_in.bias"] + 1})
    refused(
        model,
        "holds all .* tensors of the network, and 1 that the network of config.json does not have, module.conv_in.bias",
    )


@pytest.mark.parametrize("extra", ["ema.conv_in.bias", "mid_block.attentions.7.to_q.weight", "model_ema.decay"])
def test_tensors_that_the_network_does_not_have(model, extra):
    rewritten(model / "unet", lambda held: {**held, extra: torch.zeros(1)})
    refused(
        model, f"1 that the network of config.json does not have, {extra} first.\nIf config.json is of another model"
    )


def test_weights_of_a_network_with_more_than_the_configuration_says(model):
    """Without its attention the network would run, and make garbage."""
    path = model / "unet" / "config.json"
    plain = {"down_block_types": ["DownBlock2D"] * 2, "up_block_types": ["UpBlock2D"] * 2}
    path.write_text(json.dumps({**json.loads(path.read_text()), **plain}))
    refused(
        model,
        r"holds all \d+ tensors of the network, and 30 that .* does not have, down_blocks.1.attentions.0.group_norm.bias",
    )


def test_a_counter_beside_the_weights_is_not_taken_for_quantised_weights(model):
    rewritten(model / "unet", lambda held: {**held, "num_updates": torch.zeros((), dtype=torch.int64)})
    refused(model, "1 that the network of config.json does not have, num_updates first")


def test_weights_of_another_network(model):
    rewritten(model / "unet", lambda held: prefixed("x.")(held))
    refused(
        model, r"lacks (\d+) of \1 tensors, .* first, and holds \1 that the network of config.json does not have, x\."
    )


def test_one_tensor_under_two_names(model):
    name = "mid_block.attentions.0.{}.weight"
    rewritten(model / "unet", lambda held: {**held, name.format("query"): held[name.format("to_q")] + 1})
    refused(model, f"holds {name.format('to_q')} twice, as .*{name.format('query')}")


def test_the_fourier_embedding_that_diffusers_wrote_twice_in_2022(tmp_path):
    model = save(tmp_path / "model", unet=unet(sample_size=16, time_embedding_type="fourier"))
    before = weights(model)
    rewritten(model / "unet", lambda held: {**held, "time_proj.W": held["time_proj.weight"].clone()})
    assert torch.equal(weights(model)["time_proj.weight"], before["time_proj.weight"])


# Numbers


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("write", [rewritten, pickled], ids=["safetensors", "pickle"])
def test_nan_and_infinity(model, write, number):
    def damaged(held: dict) -> dict:
        for key in ("mid_block.resnets.0.conv1.weight", "conv_out.bias"):
            held[key] = held[key].clone()
            held[key].view(-1)[-1] = number
        return held

    write(model / "unet", change=damaged)
    said = refused(
        model, r": 2 of \d+ tensors hold NaN or infinity, .* first.\nThe file is damaged, or training diverged"
    )
    assert "ample in float32" not in said
    assert ("(NaN)" in said) == (number != number)


def test_nan_in_the_autoencoder(tmp_path):
    model = save_latent(tmp_path / "model", "vqvae")
    rewritten(
        model / "vqvae",
        lambda held: {**held, "decoder.conv_in.bias": torch.full_like(held["decoder.conv_in.bias"], torch.nan)},
    )
    refused(model, rf"vqvae/{SAFE}: 1 of \d+ tensors hold NaN or infinity, decoder.conv_in.bias \(NaN\) first")


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("write", [rewritten, pickled], ids=["safetensors", "pickle"])
def test_other_precisions_are_loaded_as_float32(model, tiny_model, write, kind):
    write(model / "unet", change=lambda held: {key: tensor.to(kind) for key, tensor in held.items()})
    ours, theirs = weights(model), load_file(tiny_model / "unet" / SAFE)
    assert {tensor.dtype for tensor in ours.values()} == {torch.float32}
    assert all(torch.equal(ours[key], theirs[key].to(kind).float()) for key in theirs)


@pytest.mark.parametrize(
    "kind", [torch.int8, torch.uint8, torch.float8_e4m3fn, torch.float8_e5m2, torch.int64, torch.bool]
)
@pytest.mark.parametrize("write", [rewritten, pickled], ids=["safetensors", "pickle"])
def test_quantised_weights(model, write, kind):
    key = "mid_block.attentions.0.to_q.weight"
    write(
        model / "unet",
        change=lambda held: {**held, key: held[key].to(kind), f"{key}_format": torch.zeros(1, dtype=kind)},
    )
    refused(
        model,
        rf"holds quantised weights \(\w+ in 1 of \d+ tensors, {key} first\), which are not run here.\nTake the full-pr",
    )


def test_what_is_loaded_does_not_depend_on_the_file_any_more(model, tiny_model):
    found = pretrained.find(str(model)).load()
    path = model / "unet" / SAFE
    with open(path, "r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    theirs = weights(tiny_model)
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in found.denoiser.unet.state_dict().items())
