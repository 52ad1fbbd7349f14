"""The node folder is loaded as ComfyUI loads it, and adds to its U-Net what an edit of diffusers adds, wherever it reaches."""

import json
from contextlib import ExitStack

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from safetensors.numpy import load_file, save

from pipeline.catalog.export.comfyui_node import Place, place
from pipeline.catalog.export.formats import export
from pipeline.errors import UserError
from pipeline.hspace.capture import changed
from pipeline.hspace.points import h_shape
from schemas.catalog import Capture
from tests.pipeline import planted_models
from tests.pipeline.catalog.export.flat_unet import BaseModel, ModelPatcher, load_custom_node
from tests.pipeline.catalog.export.planted_catalog import SCRIPT, hostile, opened, planted, seal
from tests.pipeline.catalog.planted_findings import supervised

WIDTH, ALPHAS = 8, DDIMScheduler().alphas_cumprod
REACHED = [
    "mid_block",
    "mid_block:input",
    "up_blocks.0",
    "up_blocks.0:input",
    "up_blocks.1:input",
    "down_blocks.0",
    "down_blocks.1",
]
BOTH, CONDITIONAL = "both", "conditional only"


@pytest.fixture(scope="module")
def unet():
    """Two levels a side of two ResNet blocks each, the second with attention."""
    down, up = ("DownBlock2D", "CrossAttnDownBlock2D"), ("CrossAttnUpBlock2D", "UpBlock2D")
    settings = {
        **planted_models.SMALL,
        "in_channels": 3,
        "out_channels": 3,
        "sample_size": 16,
        "cross_attention_dim": WIDTH,
    }
    kinds = {"down_block_types": down, "up_block_types": up, "layers_per_block": 2}
    return planted_models.seeded(UNet2DConditionModel, **{**settings, **kinds}).eval()


@pytest.fixture(scope="module")
def given():
    """x and a condition of four samples."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, 3, 16, 16, generator=generator), torch.randn(4, 5, WIDTH, generator=generator)


def node_folder(tmp_path, unet, point="mid_block", strength_per_sd=0.5):
    """An exported catalog of that U-Net, with smile and age at a point."""
    rows = [
        {**supervised(each, "ridge", strength_per_sd=strength_per_sd), "capture": point} for each in ("smile", "age")
    ]
    captures = [Capture(point=each, shape=list(h_shape(unet, each))) for each in point.split("+")]
    config = {"_class_name": "UNet2DConditionModel", **json.loads(unet.to_json_string())}
    folder = planted(tmp_path / "catalog", rows, config, captures=captures)
    for path in folder.glob("*.safetensors"):  # no number too large to add
        arrays = {key: v.clip(-3, 3) for key, v in load_file(path).items()}
        path.write_bytes(save(arrays))
    seal(folder)
    export(opened(folder), "comfyui", tmp_path / "custom_nodes" / "hspace")
    return tmp_path / "custom_nodes" / "hspace"


def node(folder, name="HSpaceSliders"):
    module = load_custom_node(folder)
    return module.NODE_CLASS_MAPPINGS[name]()


def edited(unet, given, offsets, timestep):
    """What diffusers' U-Net makes of it with these offsets (B, ...) or (...) added to h at each point."""
    x, context = given
    with torch.inference_mode(), ExitStack() as hooks:
        for point, offset in offsets.items():
            hooks.enter_context(changed(unet, point, lambda h, offset=offset: h + offset))
        return unet(x, timestep, context).sample


def run(patcher, given, timestep, cond_or_uncond=(0,)):
    with torch.inference_mode():
        return patcher.run(given[0], timestep, given[1], list(cond_or_uncond))


def step_of(folder, timestep):
    timesteps = json.loads((folder / "catalog" / "catalog.json").read_text())["sampling"]["timesteps"]
    return min(range(len(timesteps)), key=lambda step: abs(timesteps[step] - timestep))


def vector(folder, key, step):
    return torch.from_numpy(load_file(folder / "catalog" / "directions.safetensors")[key][step])


def test_the_flat_unet_is_diffusers(unet, given):
    """What stands in for ComfyUI's network is the network."""
    plain = run(ModelPatcher(BaseModel(unet, ALPHAS)), given, 500)
    assert torch.allclose(plain, edited(unet, given, {}, 500), atol=1e-5)


@pytest.mark.parametrize("timestep", [999, 300])
@pytest.mark.parametrize("point", REACHED)
def test_it_adds_what_an_edit_of_diffusers_adds(point, timestep, unet, given, tmp_path):
    folder = node_folder(tmp_path, unet, point)
    model = ModelPatcher(BaseModel(unet, ALPHAS))
    (patched,) = node(folder).patch(model, "", BOTH, smile=2.0, age=-1.0)
    step = step_of(folder, timestep)
    offset = 0.5 * (2.0 * vector(folder, "smile/ridge", step) - vector(folder, "age/ridge", step))
    expected, plain = edited(unet, given, {point: offset}, timestep), edited(unet, given, {}, timestep)
    assert torch.allclose(run(patched, given, timestep), expected, atol=1e-4)
    assert (expected - plain).abs().max() > 1e-2
    assert torch.allclose(run(model, given, timestep), plain, atol=1e-4)  # what the node was given stays as it was


def test_a_direction_at_several_points_is_added_at_each(unet, given, tmp_path):
    folder = node_folder(tmp_path, unet, "mid_block+up_blocks.0")
    (patched,) = node(folder).patch(ModelPatcher(BaseModel(unet, ALPHAS)), "", BOTH, smile=2.0, age=0.0)
    step = step_of(folder, 700)
    offsets = {point: vector(folder, f"smile/ridge@{point}", step) for point in ("mid_block", "up_blocks.0")}
    assert torch.allclose(run(patched, given, 700), edited(unet, given, offsets, 700), atol=1e-4)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_unconditional_half_can_be_left_alone(order, unet, given, tmp_path):
    folder = node_folder(tmp_path, unet)
    (patched,) = node(folder).patch(ModelPatcher(BaseModel(unet, ALPHAS)), "", CONDITIONAL, smile=2.0, age=0.0)
    which = torch.tensor([order[0], order[0], order[1], order[1]]).view(4, 1, 1, 1)
    offset = vector(folder, "smile/ridge", step_of(folder, 700)) * (which == 0)
    assert torch.allclose(run(patched, given, 700, order), edited(unet, given, {"mid_block": offset}, 700), atol=1e-4)


def test_nodes_are_chained_and_any_direction_has_its_name(unet, given, tmp_path):
    folder = node_folder(tmp_path, unet)
    (first,) = node(folder).patch(ModelPatcher(BaseModel(unet, ALPHAS)), "", BOTH, smile=2.0, age=0.0)
    (both,) = node(folder, "HSpaceDirection").patch(first, str(folder / "catalog"), BOTH, "age/ridge", -1.0)
    (at_once,) = node(folder).patch(ModelPatcher(BaseModel(unet, ALPHAS)), "", BOTH, smile=2.0, age=-1.0)
    assert torch.allclose(run(both, given, 300), run(at_once, given, 300), atol=1e-4)


def test_half_precision_stays_what_it_is(unet, tmp_path):
    module = load_custom_node(node_folder(tmp_path, unet))
    offset = module.Offset(torch.ones(4, 8, 2, 2), [3, 2, 1, 0], lambda sigma: sigma, Place("output", 0), BOTH)
    h = torch.zeros(2, 8, 2, 2, dtype=torch.float16)
    assert offset.added(h, {"block": ("output", 0), "sigmas": torch.tensor([2.0])}).dtype == torch.float16


def test_it_has_a_slider_an_attribute(unet, tmp_path):
    inputs = node(node_folder(tmp_path, unet)).INPUT_TYPES()["required"]
    assert list(inputs) == ["model", "catalog", "to", "smile", "age"] and inputs["model"] == ("MODEL",)
    kind, about = inputs["smile"]
    assert kind == "FLOAT" and about["default"] == 0.0 and about["display"] == "slider"


def test_what_is_not_there_or_does_not_fit_is_said(unet, given, tmp_path):
    folder = node_folder(tmp_path, unet)
    model, by_name = ModelPatcher(BaseModel(unet, ALPHAS)), node(folder, "HSpaceDirection")
    with pytest.raises(ValueError, match="has no direction 'hat/ridge'. It has smile/ridge, age/ridge"):
        by_name.patch(model, "", BOTH, "hat/ridge", 1.0)
    with pytest.raises(ValueError, match="is no catalog of directions"):
        by_name.patch(model, str(tmp_path), BOTH, "smile/ridge", 1.0)
    (patched,) = by_name.patch(model, "", BOTH, "smile/ridge", 1.0)
    with pytest.raises(ValueError, match="images of the size that it was made at"):
        run(patched, (torch.zeros(1, 3, 32, 32), torch.zeros(1, 5, WIDTH)), 500)
    with open(folder / "catalog" / "directions.safetensors", "ab") as file:
        file.write(b" ")
    with pytest.raises(ValueError, match="has changed since it was published"):
        by_name.patch(model, "", BOTH, "smile/ridge", 1.0)


@pytest.mark.parametrize("point", ["middle", "up_blocks.1", "up_blocks.0.resnets.0", "down_blocks.2", "conv_in"])
def test_a_point_that_no_patch_reaches_is_refused(point, unet):
    with pytest.raises(ValueError, match="cannot be added in ComfyUI"):
        place(point, dict(unet.config))


def test_the_blocks_of_stable_diffusion_are_numbered_as_comfyui_numbers_them():
    """Version 1: input blocks 0 to 11, output blocks 0 to 11, three a level."""
    config = {"down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"], "layers_per_block": 2}
    assert place("down_blocks.0", config) == Place("input", 3)
    assert place("mid_block:input", config) == place("down_blocks.3", config) == Place("input", 11)
    assert place("up_blocks.0", config) == place("up_blocks.1:input", config) == Place("output", 3)
    assert place("up_blocks.2", config) == Place("output", 9)


def test_a_model_that_comfyui_does_not_load_is_refused(tmp_path):
    with pytest.raises(UserError, match="ComfyUI loads no such network"):
        export(opened(planted(tmp_path / "catalog")), "comfyui", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names_of_any_kind_are_no_inputs_and_no_paths(unet, tmp_path):
    folder = hostile(tmp_path / "catalog")
    about = json.loads((folder / "catalog.json").read_text())
    about["model"]["unet"] = {"_class_name": "UNet2DConditionModel", **json.loads(unet.to_json_string())}
    (folder / "catalog.json").write_text(json.dumps(about))
    seal(folder)
    export(opened(folder), "comfyui", tmp_path / "out")
    inputs = node(tmp_path / "out").INPUT_TYPES()["required"]
    assert not [name for name in inputs if SCRIPT in name or "/" in name or "\n" in name]
    assert {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()} == {
        "__init__.py",
        "sliders.json",
        "catalog.json",
        "directions.safetensors",
        "SHA256SUMS",
        ".export.json",
    }
