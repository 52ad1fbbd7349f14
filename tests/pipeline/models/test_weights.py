"""One set of weights is chosen of those in a folder, by a rule that is said, and never in silence where there is a choice."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DModel

from pipeline.errors import UserError
from pipeline.formats.hashes import sha256
from pipeline.models import pretrained, weights
from tests.pipeline.models.making_weights import PICKLE, SAFE, pickled, prefixed, rewritten
from tests.pipeline.planted_models import save_latent

FULL, FP16, NON_EMA = (f"diffusion_pytorch_model{variant}.safetensors" for variant in ("", ".fp16", ".non_ema"))


@pytest.fixture
def model(tiny_model, tmp_path) -> Path:
    """A copy of the tiny model, to be changed."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def files(folder: Path, *names: str) -> Path:
    """A folder with nothing but files of these names."""
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
    return folder


def refused(match: str, find, *arguments, **choices) -> None:
    with pytest.raises(UserError, match=match) as error:
        find(*arguments, **choices)
    assert len(str(error.value).splitlines()) <= 4


# Which of several


@pytest.mark.parametrize(
    ("there", "variant", "expected"),
    [
        ([FULL], None, FULL),
        ([FP16], None, FP16),
        ([FULL, FP16, NON_EMA], None, FULL),
        ([FULL, FP16, NON_EMA], "fp16", FP16),
        ([FULL, FP16, NON_EMA], "non_ema", NON_EMA),
        ([FULL, PICKLE], None, FULL),
        ([FP16, PICKLE], None, PICKLE),
        ([PICKLE, "diffusion_pytorch_model.fp16.bin"], None, PICKLE),
        ([FULL, "diffusion_pytorch_model.fp16.bin"], "fp16", "diffusion_pytorch_model.fp16.bin"),
        ([FP16, "diffusion_pytorch_model.fp16.bin"], "fp16", FP16),
    ],
)
def test_one_is_chosen(tmp_path, there, variant, expected):
    folder = files(tmp_path / "unet", *there, "config.json", "diffusion_flax_model.msgpack")
    found = weights.find(folder, variant)
    assert found == weights.Weights((folder / expected,), expected.endswith(".bin"))
    assert weights.names(there, folder, variant) == {expected}, "the same rule for a list"


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_several_variants_and_no_full_one(tmp_path, suffix):
    folder = files(tmp_path / "unet", *(f"diffusion_pytorch_model.{each}.{suffix}" for each in ("non_ema", "fp16")))
    refused(
        "weights of 2 variants, fp16, non_ema, and not the full ones.\nChoose one by `variant`", weights.find, folder
    )
    assert weights.find(folder, "fp16").files == (folder / f"diffusion_pytorch_model.fp16.{suffix}",)


def test_a_variant_that_is_not_there(tmp_path):
    folder = files(tmp_path / "unet", FULL, NON_EMA)
    refused(
        "has no weights of variant fp16; it has the full ones, non_ema. Change `variant`", weights.find, folder, "fp16"
    )
    assert weights.find(folder, "fp16", preferred=True).files == (folder / FULL,)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_two_sets_of_one_kind(tmp_path, suffix):
    name = f"diffusion_pytorch_model.{suffix}"
    refused("holds 2 weight files; expected one", weights.find, files(tmp_path / "unet", name, f"{name}.index.json"))


def test_shards_of_a_list_are_those_of_the_index(tmp_path):
    kinds = {None: "", "fp16": ".fp16"}
    shards = {
        variant: [f"diffusion_pytorch_model{dot}-0000{i}-of-00002.safetensors" for i in (1, 2)]
        for variant, dot in kinds.items()
    }
    bins = [name.replace("safetensors", "bin") for name in shards[None]]
    indices = [f"{FULL}.index.json", f"{FULL}.index.fp16.json", f"{PICKLE}.index.json"]
    there = [*shards[None], *shards["fp16"], *bins, *indices]
    assert weights.names(there, tmp_path) == {*shards[None], indices[0]}
    assert weights.names(there, tmp_path, "fp16") == {*shards["fp16"], indices[1]}
    assert weights.names([*bins, indices[2]], tmp_path) == {*bins, indices[2]}
    assert weights.names(["config.json"], tmp_path) == set()


def test_an_index_that_names_files_of_the_other_kind(tmp_path):
    folder = files(tmp_path / "unet")
    (folder / f"{FULL}.index.json").write_text(
        json.dumps({"weight_map": {"a": "diffusion_pytorch_model-00001-of-00001.bin"}})
    )
    refused("names no shards .*-of-00002.safetensors and the like", weights.find, folder)


@pytest.mark.parametrize("name", ["model.ckpt", "unet.safetensors", "pytorch_model.bin", "weights.pth"])
def test_weights_under_another_name(tmp_path, name):
    refused(
        f"holds {name}, which is no name for weights of diffusers; expected {SAFE}",
        weights.find,
        files(tmp_path / "unet", name),
    )


def test_a_file_of_another_library_s_quantised_weights(tmp_path):
    folder = files(tmp_path / "unet", "unet-Q4_K.gguf")
    refused(r"holds quantised weights \(unet-Q4_K.gguf\), which are not run here.\nTake the full", weights.find, folder)


# Files that are none


def test_a_link_to_a_file_that_is_gone(model):
    """As in a cache of the hub that somebody tidied."""
    (model / "unet" / SAFE).unlink()
    (model / "unet" / SAFE).symlink_to(model / "blobs" / "gone")
    refused(f"{SAFE} cannot be opened .No such file.*Copy it again", pretrained.find, str(model))


@pytest.mark.parametrize("name", [SAFE, PICKLE, "diffusion_pytorch_model.fp16.safetensors"])
@pytest.mark.parametrize("part", ["unet", "vqvae"])
def test_a_pointer_of_git_lfs(tmp_path, name, part):
    model = save_latent(tmp_path / "model", "vqvae")
    (model / part / SAFE).unlink()
    (model / part / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 454\n")
    refused(f"{part}/{name} is a pointer of git-lfs.*\n.*git lfs pull", pretrained.find, str(model))


@pytest.mark.parametrize("name", [SAFE, PICKLE])
def test_an_empty_file(model, name):
    (model / "unet" / SAFE).unlink()
    (model / "unet" / name).touch()
    refused(rf"{name} is empty \(0 bytes\); expected weights. Copy it again", pretrained.find, str(model))


def test_a_shard_that_is_a_pointer(model):
    unet = UNet2DModel.from_pretrained(model / "unet")
    (model / "unet" / SAFE).unlink()
    unet.save_pretrained(model / "unet", max_shard_size="20KB")
    shard = sorted((model / "unet").glob("*-of-*.safetensors"))[1]
    shard.write_text("version https://git-lfs.github.com/spec/v1\n")
    refused(f"{shard.name} is a pointer of git-lfs", pretrained.find, str(model))


# A model's


def test_the_variant_that_was_chosen_is_loaded(model, tiny_model):
    tensors = UNet2DModel.from_pretrained(model / "unet")
    tensors.conv_in.bias.data += 1
    tensors.save_pretrained(model / "unet", variant="non_ema")
    found = pretrained.find(str(model), variant="non_ema")
    assert found.weights == sha256(model / "unet" / NON_EMA)
    assert torch.equal(found.load().denoiser.unet.conv_in.bias, tensors.conv_in.bias)
    assert pretrained.find(str(model)) == pretrained.find(str(model), variant=None)
    assert not torch.equal(pretrained.find(str(model)).load().denoiser.unet.conv_in.bias, tensors.conv_in.bias)


def test_a_variant_of_the_autoencoder_is_taken_where_there_is_one(tmp_path):
    model = save_latent(tmp_path / "model", "vae")
    unet, decoder = model / "unet", model / "vae"
    shutil.copy(unet / SAFE, unet / NON_EMA)
    full = pretrained.find(str(model), variant="non_ema")
    assert full.autoencoder_weights == sha256(decoder / SAFE)
    rewritten(decoder, lambda held: {**held, "decoder.conv_in.bias": torch.full((16,), 7.0)}, NON_EMA)
    found = pretrained.find(str(model), variant="non_ema")
    assert found.autoencoder_weights == sha256(decoder / NON_EMA) != full.autoencoder_weights
    assert found.load().autoencoder.network.decoder.conv_in.bias.eq(7).all()
    refused("unet has no weights of variant fp16", pretrained.find, str(model), variant="fp16")


def test_variant_and_wrapped_names_go_together(model, tiny_model):
    path = pickled(model / "unet", "diffusion_pytorch_model.fp16.bin", prefixed("module."))
    (model / "unet" / PICKLE).write_bytes(b"damaged")
    found = pretrained.find(str(model), variant="fp16")
    assert found.weights == sha256(path)
    ours, theirs = (each.load().denoiser.unet.conv_in.weight for each in (found, pretrained.find(str(tiny_model))))
    assert torch.equal(ours, theirs)
