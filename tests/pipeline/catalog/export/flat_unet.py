"""What ComfyUI does around a node, stood in for: its loader of nodes, its ModelPatcher, and its U-Net with patches.

The U-Net is made of the modules of one of diffusers', called in the order and with the patches of ComfyUI's: input blocks that are
numbered through, a middle block, output blocks. The interface is that of comfy/ldm/modules/diffusionmodules/openaimodel.py,
comfy/model_patcher.py, comfy/model_sampling.py and nodes.py in comfyanonymous/ComfyUI, as of 2025. Imported by name.
"""

import copy
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from diffusers import UNet2DConditionModel

Block = list[Callable[..., torch.Tensor]]


def load_custom_node(folder: Path) -> ModuleType:
    """A node folder as ComfyUI loads it: its `__init__.py`, by path, under the name of the path."""
    spec = importlib.util.spec_from_file_location(str(folder), folder / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[str(folder)] = module
    spec.loader.exec_module(module)
    return module


class ModelSampling:
    """Of a model with these alpha_t: sigma = sqrt((1 - alpha_t) / alpha_t), and the timestep whose sigma is nearest."""

    def __init__(self, alphas_cumprod: torch.Tensor):
        self.sigmas = ((1 - alphas_cumprod) / alphas_cumprod) ** 0.5

    def sigma(self, timestep: int) -> torch.Tensor:
        return self.sigmas[timestep]

    def timestep(self, sigma: torch.Tensor) -> torch.Tensor:
        return (sigma.log() - self.sigmas.log()[:, None]).abs().argmin(dim=0).view(sigma.shape)


class BaseModel:
    """What clones of a patcher share: the network, and how noise levels and timesteps belong together."""

    def __init__(self, unet: UNet2DConditionModel, alphas_cumprod: torch.Tensor):
        self.diffusion_model, self.model_sampling = FlatUNet(unet), ModelSampling(alphas_cumprod)


class ModelPatcher:
    """A model and the patches that it runs with; a clone has patches of its own."""

    def __init__(self, model: BaseModel):
        self.model, self.model_options = model, {"transformer_options": {}}

    def clone(self) -> "ModelPatcher":
        found = ModelPatcher(self.model)
        found.model_options = copy.deepcopy(self.model_options)
        return found

    def set_model_patch(self, patch: Callable, name: str) -> None:
        patches = self.model_options["transformer_options"].setdefault("patches", {})
        patches[name] = patches.get(name, []) + [patch]

    def set_model_output_block_patch(self, patch: Callable) -> None:
        self.set_model_patch(patch, "output_block_patch")

    def set_model_input_block_patch_after_skip(self, patch: Callable) -> None:
        self.set_model_patch(patch, "input_block_patch_after_skip")

    def run(self, x: torch.Tensor, timestep: int, context: torch.Tensor, cond_or_uncond: list[int]) -> torch.Tensor:
        """One pass of the U-Net, as a sampler asks for it: x (B, C, H, W), the batch in as many parts as `cond_or_uncond` has."""
        sigma = self.model.model_sampling.sigma(timestep).repeat(len(x) // len(cond_or_uncond))
        options = {**self.model_options["transformer_options"], "cond_or_uncond": cond_or_uncond, "sigmas": sigma}
        return self.model.diffusion_model(x, torch.full((len(x),), timestep), context, options)


class FlatUNet:
    """A U-Net of diffusers as ComfyUI has it, its blocks in two flat lists."""

    def __init__(self, unet: UNet2DConditionModel):
        self.unet = unet
        self.input_blocks: list[Block] = [[lambda h, emb, context: unet.conv_in(h)]]
        self.output_blocks: list[Block] = []
        for block in unet.down_blocks:
            self.input_blocks += _layers(block)
            self.input_blocks += [[_plain(each)] for each in block.downsamplers or ()]
        for block in unet.up_blocks:
            layers = _layers(block)
            layers[-1] += [_plain(each) for each in block.upsamplers or ()]
            self.output_blocks += layers

    def __call__(
        self, x: torch.Tensor, timesteps: torch.Tensor, context: torch.Tensor, options: dict[str, Any]
    ) -> torch.Tensor:
        patches = options.get("patches", {})
        emb = self.unet.time_embedding(self.unet.time_proj(timesteps))
        h, skips = x, []
        for index, block in enumerate(self.input_blocks):
            options["block"] = ("input", index)
            h = _run(block, h, emb, context)
            skips.append(h)
            for patch in patches.get("input_block_patch_after_skip", ()):
                h = patch(h, options)
        options["block"] = ("middle", 0)
        h = self.unet.mid_block(h, emb, encoder_hidden_states=context)
        for index, block in enumerate(self.output_blocks):
            options["block"] = ("output", index)
            skip = skips.pop()
            for patch in patches.get("output_block_patch", ()):
                h, skip = patch(h, skip, options)
            h = _run(block, torch.cat([h, skip], dim=1), emb, context)
        return self.unet.conv_out(self.unet.conv_act(self.unet.conv_norm_out(h)))


def _layers(block: torch.nn.Module) -> list[Block]:
    """The layers of a block, each a ResNet block and the attention after it."""
    attentions = getattr(block, "attentions", None) or [None] * len(block.resnets)
    return [_layer(resnet, attention) for resnet, attention in zip(block.resnets, attentions, strict=True)]


def _layer(resnet: torch.nn.Module, attention: torch.nn.Module | None) -> Block:
    layer: Block = [lambda h, emb, context: resnet(h, emb)]
    if attention is not None:
        layer.append(lambda h, emb, context: attention(h, encoder_hidden_states=context, return_dict=False)[0])
    return layer


def _plain(module: torch.nn.Module) -> Callable[..., torch.Tensor]:
    return lambda h, emb, context: module(h)


def _run(block: Block, h: torch.Tensor, emb: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    for each in block:
        h = each(h, emb, context)
    return h
