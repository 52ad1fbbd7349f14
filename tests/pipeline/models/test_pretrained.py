"""Models are found in two layouts, known by their contents, and refused with a reason where they cannot work.

What lies in the hub is tested in test_hub.py, latent models in test_autoencoder.py.
"""

import gc
import hashlib
import json
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    EDMEulerScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    UNet2DModel,
)
from safetensors.torch import load_file, save_file

from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.formats.hashes import sha256
from pipeline.hspace.noise import NoiseStreams
from pipeline.in_use import sharing
from pipeline.models import pretrained
from pipeline.models.pretrained import LoadedModel
from pipeline.models.tensors import RENAMED
from pipeline.recipes.points import candidates
from pipeline.stages.sources.sample import Sample
from tests.pipeline.planted_models import conditional_unet, save, unet

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(tiny_model, tmp_path) -> Path:
    """A copy of the tiny model, to be damaged."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


@pytest.fixture(scope="session")
def tiny_conditional(tmp_path_factory) -> Path:
    """A model whose U-Net reads embeddings (1, L, 12) by cross-attention. Do not write into it."""
    unet = conditional_unet(sample_size=[16, 8], attention_head_dim=2, cross_attention_dim=12)
    return save(tmp_path_factory.mktemp("conditional") / "model", unet=unet)


@pytest.fixture
def conditional(tiny_conditional, tmp_path) -> Path:
    """A copy of the conditional model, to be changed."""
    return Path(shutil.copytree(tiny_conditional, tmp_path / "conditional"))


def change(path: Path, **changes: object) -> None:
    """Change fields of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def output(loaded: LoadedModel) -> torch.Tensor:
    x = NoiseStreams(1, [0], (3, 16, 16)).x_T()
    with torch.inference_mode():
        return loaded.denoiser(x, 500)[0]


# What is found


def test_a_pipeline_folder(model):
    found = pretrained.find(str(model))
    assert found.h_shape() == (16, 8, 8)
    assert found.x_shape == (3, 16, 16)
    assert (found.name, found.folder, found.revision) == (str(model), str(model), None)


def test_a_bare_folder_holds_the_same_model(model, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(model / "unet", bare)
    shutil.copy(model / "scheduler" / "scheduler_config.json", bare)
    found, expected = pretrained.find(str(bare)), pretrained.find(str(model))
    assert settings(found) == settings(expected)
    assert torch.equal(output(found.load()), output(expected.load()))


def test_what_is_loaded_is_what_diffusers_loads_ready_to_run(model):
    loaded = pretrained.find(str(model)).load()
    unet = loaded.denoiser.unet
    assert not unet.training and not any(parameter.requires_grad for parameter in unet.parameters())
    assert unet.dtype == torch.float32
    with torch.inference_mode():
        expected = UNet2DModel.from_pretrained(model / "unet").eval()(NoiseStreams(1, [0], (3, 16, 16)).x_T(), 500)
    torch.testing.assert_close(output(loaded), expected.sample, atol=1e-5, rtol=1e-5)


def test_who_loads_what_is_in_use_gets_the_same_network(tiny_model):
    model = pretrained.find(str(tiny_model))
    with sharing():
        held, elsewhere = model.load(), model.load("up_blocks.0")
        in_short, compiled = model.load(dtype="bfloat16"), model.load(compiled=True)
    assert elsewhere.denoiser.unet is held.denoiser.unet
    assert (held.denoiser.point, elsewhere.denoiser.point) == ("mid_block", "up_blocks.0")
    assert len({id(each.denoiser.unet) for each in (held, in_short, compiled)}) == 3
    assert model.load().denoiser.unet is not held.denoiser.unet, "one's own, as threads want it"


def test_a_network_that_nobody_holds_any_more_is_gone(model):
    with sharing():
        gone = weakref.ref(pretrained.find(str(model)).load().denoiser.unet)
    gc.collect()
    assert gone() is None


def test_images_of_pixels_go_to_the_u_net_s_range_and_back(model):
    found = pretrained.find(str(model))
    assert found.image_shape == found.x_shape
    loaded = found.load()
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    x_0 = loaded.from_images(images)
    assert (x_0.shape, x_0.min() >= -1, x_0.max() <= 1) == ((2, 3, 16, 16), True, True)
    assert np.array_equal(loaded.to_images(x_0), images)


def test_images_need_not_be_square(model):
    change(model / "unet" / "config.json", sample_size=[16, 24])
    found = pretrained.find(str(model))
    assert (found.x_shape, found.h_shape()) == ((3, 16, 24), (16, 8, 12))


def test_a_model_is_known_by_its_contents_wherever_it_lies(tiny_model, model):
    here, there = (Sample(pretrained.find(str(folder)), n=8, steps=2) for folder in (tiny_model, model))
    assert here.model.folder != there.model.folder
    assert here.fingerprint == there.fingerprint

    change(model / "scheduler" / "scheduler_config.json", beta_end=0.03)
    assert Sample(pretrained.find(str(model)), n=8, steps=2).fingerprint != here.fingerprint


def test_other_weights_are_another_model(tiny_model, model):
    path = model / "unet" / WEIGHTS
    tensors = load_file(path)
    tensors["conv_in.bias"] = tensors["conv_in.bias"] + 1
    save_file(tensors, path)
    assert pretrained.find(str(model)).weights != pretrained.find(str(tiny_model)).weights


def test_weights_under_the_names_of_2022_are_read(model, tiny_model):
    """google/ddpm-celebahq-256, the paper's model, has them."""
    path = model / "unet" / WEIGHTS
    old = {new: key for key, new in RENAMED.items()}

    def renamed(key: str) -> str:
        for new in old:
            key = key.replace(new, old[new])
        return key

    tensors = {renamed(key): tensor for key, tensor in load_file(path).items()}
    assert "mid_block.attentions.0.query.weight" in tensors
    save_file(tensors, path)
    assert torch.equal(output(pretrained.find(str(model)).load()), output(pretrained.find(str(tiny_model)).load()))


def test_half_precision_weights_under_their_own_name_are_loaded_as_float32(model, tiny_model):
    UNet2DModel.from_pretrained(model / "unet").half().save_pretrained(model / "unet", variant="fp16")
    full = pretrained.find(str(tiny_model))
    assert pretrained.find(str(model)).weights == full.weights, "the full ones where there are both"

    (model / "unet" / WEIGHTS).unlink()
    loaded = pretrained.find(str(model)).load()
    assert loaded.denoiser.unet.dtype == torch.float32
    torch.testing.assert_close(output(loaded), output(full.load()), atol=1e-2, rtol=1e-2)


def sharded(model: Path, variant: str | None = None) -> list[Path]:
    """Replace the weights by shards, and return these."""
    unet = UNet2DModel.from_pretrained(model / "unet")
    (model / "unet" / WEIGHTS).unlink()
    unet.save_pretrained(model / "unet", max_shard_size="20KB", variant=variant)
    return sorted((model / "unet").glob("*-of-*.safetensors"))


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_shards_are_one_model(model, tiny_model, variant):
    shards = sharded(model, variant)
    assert len(shards) > 2
    found = pretrained.find(str(model))
    assert found.weights == hashlib.sha256(b"".join(shard.read_bytes() for shard in shards)).hexdigest()
    loaded, whole = (pretrained.find(str(each)).load().denoiser.unet.state_dict() for each in (model, tiny_model))
    assert loaded.keys() == whole.keys()
    assert all(torch.equal(loaded[name], whole[name]) for name in whole), "every weight, bit for bit"


# Under a condition


def test_a_conditional_u_net_runs_on_nothing(tiny_conditional):
    found = pretrained.find(str(tiny_conditional))
    assert (found.x_shape, found.h_shape(), found.condition) == ((3, 16, 8), (16, 8, 4), None)
    loaded = found.load()
    x = NoiseStreams(1, [0, 1], found.x_shape).x_T()
    with torch.inference_mode():
        expected = loaded.denoiser.unet(x, 500, torch.zeros(2, 1, 12)).sample
        assert torch.equal(loaded.denoiser(x, 500)[0], expected)
    assert loaded.to_images(x).shape == (2, 16, 8, 3)


def test_a_conditional_u_net_runs_on_the_condition_beside_it(conditional):
    nothing = pretrained.find(str(conditional))
    embedding = torch.randn(1, 5, 12, generator=torch.Generator().manual_seed(2))
    save_file({"encoder_hidden_states": embedding.half()}, conditional / "condition.safetensors")
    found = pretrained.find(str(conditional))
    assert found.condition == sha256(conditional / "condition.safetensors")
    assert Sample(found, n=8, steps=2).fingerprint != Sample(nothing, n=8, steps=2).fingerprint

    loaded = found.load()
    x = NoiseStreams(1, [0, 1], found.x_shape).x_T()
    with torch.inference_mode():
        expected = loaded.denoiser.unet(x, 500, embedding.half().float().expand(2, -1, -1)).sample
        given, _ = loaded.denoiser(x, 500)
    assert torch.equal(given, expected)
    assert not torch.allclose(given, nothing.load().denoiser(x, 500)[0], atol=1e-4)


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"prompt_embeds": torch.zeros(1, 5, 12)},
        {"encoder_hidden_states": torch.zeros(1, 5, 13)},
        {"encoder_hidden_states": torch.zeros(2, 5, 12)},
        {"encoder_hidden_states": torch.zeros(5, 12)},
        {"encoder_hidden_states": torch.zeros(1, 5, 12), "pooled": torch.zeros(1, 12)},
    ],
)
def test_a_condition_of_another_shape(conditional, tensors):
    save_file(tensors, conditional / "condition.safetensors")
    refused(
        conditional,
        r"expected one tensor encoder_hidden_states \(1, tokens, 12\).\n12 is the U-Net's cross_attention_dim",
    )


def test_a_condition_that_changed_after_it_was_found_is_not_loaded(conditional):
    save_file({"encoder_hidden_states": torch.zeros(1, 5, 12)}, conditional / "condition.safetensors")
    found = pretrained.find(str(conditional))
    save_file({"encoder_hidden_states": torch.ones(1, 5, 12)}, conditional / "condition.safetensors")
    with pytest.raises(UserError, match="condition.safetensors has changed since it was first read"):
        found.load()


def test_a_condition_for_a_u_net_that_reads_none(model):
    save_file({"encoder_hidden_states": torch.zeros(1, 5, 12)}, model / "condition.safetensors")
    refused(model, "a UNet2DModel reads no condition. Remove the file")


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"class_embed_type": "timestep"}, "a second timestep, .*: class_embed_type is 'timestep'"),
        (
            {
                "addition_embed_type": "text_time",
                "addition_time_embed_dim": 8,
                "projection_class_embeddings_input_dim": 8,
            },
            r"more than one embedding \(as SDXL does\): .*: addition_embed_type is 'text_time'",
        ),
        ({"encoder_hid_dim": 4, "encoder_hid_dim_type": "image_proj"}, "an image's embedding"),
    ],
)
def test_u_nets_that_need_more_than_one_embedding(conditional, changes, needed):
    change(conditional / "unet" / "config.json", **changes)
    refused(conditional, f"The UNet2DConditionModel of .* needs {needed}.*\nExpected an unconditional U-Net")


def test_embeddings_of_several_widths(conditional):
    change(conditional / "unet" / "config.json", cross_attention_dim=[12, 16])
    refused(conditional, r"cross_attention_dim .*12, 16.*; expected one number")


# The scheduler


def test_the_scheduler_keeps_the_model_s_betas_and_only_clipping_is_overridden(model):
    DDPMScheduler(beta_schedule="squaredcos_cap_v2", clip_sample=False).save_pretrained(model / "scheduler")
    found = pretrained.find(str(model))
    assert isinstance(found.ddim(), DDIMScheduler)
    assert found.ddim().config.beta_schedule == "squaredcos_cap_v2"
    assert [found.ddim(clip).config.clip_sample for clip in (None, True, False)] == [False, True, False]


def test_fields_and_classes_of_schedulers_to_come_do_no_harm(model):
    path = model / "scheduler" / "scheduler_config.json"
    change(path, _class_name="SchedulerOfTomorrow", tomorrow=1)
    assert pretrained.find(str(model)).ddim().config.beta_end == DDPMScheduler().config.beta_end


# What is refused, and how


def refused(folder: Path | str, match: str) -> None:
    with pytest.raises(UserError, match=match) as error:
        pretrained.find(str(folder))
    assert len(str(error.value).splitlines()) <= 4


def test_no_weights(model):
    (model / "unet" / WEIGHTS).unlink()
    refused(model, f"unet holds no weights; expected {WEIGHTS}")


def test_a_shard_that_is_missing(model):
    shards = sharded(model)
    shards[1].unlink()
    refused(model, rf"{shards[1].name} is missing, 1 of {len(shards)} shards that .*index.json names")


def test_half_a_shard(model):
    shards = sharded(model)
    shards[0].write_bytes(shards[0].read_bytes()[:-100])
    refused(model, f"{shards[0].name} cannot be read as safetensors .* half a file\\? Copy it again")


def test_shards_without_their_index(model):
    shards = sharded(model)
    (model / "unet" / f"{WEIGHTS}.index.json").unlink()
    refused(
        model, f"holds shards of weights \\({shards[0].name}\\) without their index.\nCopy {WEIGHTS}.index.json too"
    )


@pytest.mark.parametrize(
    "names",
    [{}, {"a": "../secret.safetensors"}, {"a": "diffusion_pytorch_model/../secret-1-of-1.safetensors"}, {"a": 1}, None],
)
def test_an_index_that_names_no_shards(model, names):
    sharded(model)
    change(model / "unet" / f"{WEIGHTS}.index.json", weight_map=names)
    refused(model, "index.json names no shards .*Copy it again")


def test_shards_beside_the_whole(model):
    """diffusers would load the shards, whatever the other file holds."""
    whole = (model / "unet" / WEIGHTS).read_bytes()
    sharded(model)
    (model / "unet" / WEIGHTS).write_bytes(whole)
    refused(model, "holds 2 weight files; expected one .*index.json")


def test_several_weights_none_of_which_is_the_plain_one(model):
    weights = model / "unet" / WEIGHTS
    shutil.copy(weights, weights.with_name("diffusion_pytorch_model.fp16.safetensors"))
    weights.rename(weights.with_name("diffusion_pytorch_model.non_ema.safetensors"))
    refused(model, "holds weights of 2 variants, fp16, non_ema, and not the full ones.\nChoose one by `variant`")


@pytest.mark.parametrize("kept", [4, 1000, -100])
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
    refused(
        model, "diffusers makes no UNet2DModel of this configuration .*BlockOfTomorrow.*\nCopy the model's config.json"
    )


@pytest.mark.parametrize(
    "name", ["DiTTransformer2DModel", "SD3Transformer2DModel", "FluxTransformer2DModel", "UVit2DModel"]
)
def test_a_transformer_has_no_h_space(model, name):
    change(model / "unet" / "config.json", _class_name=name)
    refused(model, f"holds a {name}: a transformer has no bottleneck, so no h-space.\nUse a model with a U-Net")
    (model / "unet").rename(model / "transformer")
    refused(model, f"holds a {name}: a transformer has no bottleneck, so no h-space.\nUse a model with a U-Net")


def test_a_model_of_another_kind(tmp_path):
    AutoencoderKL(block_out_channels=(8,), norm_num_groups=4).save_pretrained(tmp_path)
    refused(tmp_path, "is of class AutoencoderKL; expected UNet2DModel or UNet2DConditionModel of diffusers")


def test_a_folder_without_a_u_net(model):
    shutil.rmtree(model / "unet")
    refused(model, "config.json is missing: the U-Net's configuration")


def test_the_u_net_s_own_folder(model):
    refused(model / "unet", f"is the U-Net of a whole model. Give the folder above it: {model}")


@pytest.mark.parametrize("kind", [unet, conditional_unet])
def test_a_u_net_without_a_mid_block_has_other_capture_points(kind, tmp_path):
    shapes = {"cross_attention_dim": 12} if kind is conditional_unet else {}
    found = pretrained.find(str(save(tmp_path / "m", unet=kind(sample_size=16, mid_block_type=None, **shapes))))
    assert candidates(found) == ("up_blocks.0", "up_blocks.1")
    assert found.h_shape("up_blocks.0") == (16, 16, 16)
    sample = Sample(found, n=2, steps=2, point="up_blocks.0")
    loaded = found.load(sample.point)
    x_t = sample.noise(loaded, range(2)).x_T()
    with torch.inference_mode():
        assert loaded.denoiser(x_t, 500)[1].shape == (2, 16, 16, 16)
    with pytest.raises(UserError, match="has no mid block, so it has no h-space .*\n.*name another capture point"):
        found.h_shape()


def test_a_u_net_of_unknown_size(model):
    change(model / "unet" / "config.json", sample_size=None)
    refused(model, "unet/config.json has no sample_size.\nWrite it there")


@pytest.mark.parametrize("content", ["{", "[]", "null", "\xff"])
@pytest.mark.parametrize("file", ["unet/config.json", "scheduler/scheduler_config.json"])
def test_damaged_json(model, file, content):
    (model / file).write_text(content, encoding="latin-1")
    refused(model, f"{file} .*Copy the whole folder again")


def test_no_scheduler(model):
    shutil.rmtree(model / "scheduler")
    refused(model, "scheduler_config.json is missing: the scheduler's configuration")


@pytest.mark.parametrize("kind", [FlowMatchEulerDiscreteScheduler, EDMEulerScheduler])
def test_a_scheduler_of_another_kind_of_model(model, kind):
    kind().save_pretrained(model / "scheduler")
    refused(model, f"The scheduler, {kind.__name__}, has no betas; expected a diffusion model trained as a DDPM")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"prediction_type": "flow_prediction"}, "predicts 'flow_prediction' at discrete timesteps"),
        ({"prediction_type": "v_prediction", "timestep_type": "continuous"}, "predicts 'v_prediction' at continuous"),
    ],
)
def test_a_prediction_that_ddim_does_not_know(model, changes, found):
    EulerDiscreteScheduler().save_pretrained(model / "scheduler")
    pretrained.find(str(model))  # Euler's steps are another way through the same process
    change(model / "scheduler" / "scheduler_config.json", **changes)
    refused(model, f"EulerDiscreteScheduler {found}.*; expected epsilon, v_prediction, sample")


def test_a_scheduler_that_ddim_cannot_follow(model):
    change(model / "scheduler" / "scheduler_config.json", beta_schedule="of tomorrow")
    refused(model, "DDIM cannot use this scheduler .*of tomorrow.*\nCheck scheduler_config.json")


def test_weights_that_changed_after_they_were_found_are_not_loaded(model):
    found = pretrained.find(str(model))
    path = model / "unet" / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="has changed since it was first read. Start the job again"):
        found.load()


def test_a_configuration_that_changes_after_the_model_was_found_is_refused(model):
    """diffusers reads it again: the network would be another than the one in the fingerprint."""
    found = pretrained.find(str(model))
    config = model / "unet" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "act_fn": "relu"}))
    with pytest.raises(UserError, match="A config.json of .* has changed since it was first read. Start the job again"):
        found.load()


def test_a_configuration_that_changes_while_the_model_is_loaded_changes_nothing(model, monkeypatch):
    found = pretrained.find(str(model))
    checked, before = pretrained.Model._check_configurations, output(found.load())

    def and_then_it_changes(self):
        checked(self)
        change(model / "unet" / "config.json", act_fn="relu")

    monkeypatch.setattr(pretrained.Model, "_check_configurations", and_then_it_changes)
    loaded = found.load()
    assert loaded.denoiser.unet.config["act_fn"] == "silu"
    assert torch.equal(output(loaded), before)


def test_what_diffusers_would_obey_and_no_fingerprint_has_is_not_obeyed(model):
    """`_use_default_values` has diffusers pass over settings of the file; what begins with _ is none of a model's identity."""
    change(model / "unet" / "config.json", act_fn="relu")
    before = pretrained.find(str(model))
    change(model / "unet" / "config.json", _use_default_values=["act_fn"])
    after = pretrained.find(str(model))
    assert settings(before) == settings(after)
    assert after.load().denoiser.unet.config["act_fn"] == "relu"
