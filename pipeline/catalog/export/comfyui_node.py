"""Nodes for ComfyUI that add directions of a catalog to the activations of a U-Net while it denoises.

This file is the whole code of a node folder, and needs what ComfyUI has: torch and safetensors. Beside it lie `catalog/`, a
catalog's vectors and its catalog.json, and `sliders.json`, the direction behind each slider.

ComfyUI's U-Nets are those of the original Stable Diffusion code: blocks in two flat lists, numbered through, where diffusers has
blocks of blocks. A patch of `ModelPatcher` is given h with `transformer_options`: the block in "block", the noise level in
"sigmas", and in "cond_or_uncond" which parts of the batch are conditional (0) and which not (1).
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load

HERE = Path(__file__).parent
CONDITIONAL, BOTH = "conditional only", "both"
VECTORS, ABOUT, SUMS = "directions.safetensors", "catalog.json", "SHA256SUMS"


class Place(NamedTuple):
    """Where a patch acts: on what an output block is given, or on what an input block gives on, but not to the skip."""

    side: str  # "input" or "output"
    block: int


def place(point: str, unet: Mapping[str, Any]) -> Place:
    """Return where ComfyUI's U-Net has a capture point of diffusers'. Raises ValueError where no patch reaches it.

    Output block 0 is given what the mid block gives; the last input block gives what the mid block is given.
    """
    blocks, layers = len(unet["down_block_types"]), unet.get("layers_per_block", 2)
    down = list(layers) if isinstance(layers, list | tuple) else [layers] * blocks
    ends = list(
        accumulate(n + 1 for n in down)
    )  # input block 0 is the first convolution; each level but the last shrinks
    ends[-1] -= 1
    starts = [0, *accumulate(n + 1 for n in reversed(down))]  # of the levels of output blocks
    kind, _, rest = point.partition(".")
    number, _, side = rest.partition(":")
    if point == "mid_block":
        return Place("output", 0)
    if point == "mid_block:input":
        return Place("input", ends[-1])
    level = int(number) if number.isdecimal() and int(number) < blocks else None
    if level is not None and kind == "up_blocks" and side == "input":
        return Place("output", starts[level])
    if level is not None and kind == "up_blocks" and not side and level + 1 < blocks:
        return Place("output", starts[level + 1])
    if level is not None and kind == "down_blocks" and not side:
        return Place("input", ends[level])
    raise ValueError(
        f"Directions at {point!r} cannot be added in ComfyUI: its patches reach the mid block, and whole blocks up and down."
    )


class Offset:
    """What is added to h at one place: a vector a timestep, (T, C, H, W)."""

    def __init__(
        self, vector: torch.Tensor, timesteps: list[int], timestep_of: Callable[[Any], Any], where: Place, to: str
    ):
        self.vector, self.timesteps = vector, torch.tensor(timesteps, dtype=torch.float32)
        self.timestep_of, self.where, self.to = timestep_of, where, to

    def added(self, h: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
        """h with the vector of the timestep of this pass, where the pass is at that place."""
        if tuple(options["block"]) != self.where:
            return h
        if h.shape[1:] != self.vector.shape[1:]:
            raise ValueError(
                f"These directions are for h of shape {list(self.vector.shape[1:])}, and this model has {list(h.shape[1:])} here.\n"
                "Take the model that the catalog names, and images of the size that it was made at."
            )
        timestep = torch.as_tensor(self.timestep_of(options["sigmas"])).float().reshape(-1)[0].cpu()
        step = int((self.timesteps - timestep).abs().argmin())  # the step whose timestep is nearest
        offset = self.vector[step].to(h)
        if self.to == BOTH:
            return h + offset
        parts = list(h.chunk(len(options["cond_or_uncond"])))
        return torch.cat(
            [h + offset if which == 0 else h for h, which in zip(parts, options["cond_or_uncond"], strict=True)]
        )


def offsets(folder: Path, strengths: Mapping[str, float]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return what directions at these strengths add, by capture point, and catalog.json. A strength of 1 is one standard deviation
    of what the direction changes, where the catalog knows it, and else the vector itself.

    Raises ValueError for a direction that the catalog does not have, and for files that are not as they were published.
    """
    about = json.loads(_published(folder, ABOUT))
    vectors = load(_published(folder, VECTORS))
    known = {each["name"]: each for each in about["directions"]}
    if unknown := [name for name in strengths if name not in known]:
        raise ValueError(f"{folder} has no direction {unknown[0]!r}. It has {', '.join(known)}.")
    found: dict[str, torch.Tensor] = {}
    for name, strength in strengths.items():
        points = known[name]["capture"].split("+")
        for point in points if strength else ():
            vector = vectors[name if len(points) == 1 else f"{name}@{point}"]
            found[point] = found.get(point, 0) + strength * (known[name].get("strength_per_sd") or 1.0) * vector
    return found, about


def patched(model: Any, folder: Path, strengths: Mapping[str, float], to: str) -> Any:
    """Return a copy of a ModelPatcher whose U-Net adds these directions."""
    found, about = offsets(folder, strengths)
    result = model.clone()

    def timestep_of(sigma: Any) -> Any:
        return result.model.model_sampling.timestep(sigma)  # as it is when it samples: other nodes may change it

    for point, vector in found.items():
        where = place(point, about["model"]["unet"])
        offset = Offset(vector, about["sampling"]["timesteps"], timestep_of, where, to)
        if where.side == "output":
            result.set_model_output_block_patch(_output_patch(offset))
        else:
            result.set_model_input_block_patch_after_skip(_input_patch(offset))
    return result


# Patches are functions: ComfyUI copies a model's options deeply for every clone, and functions are not copied.


def _output_patch(offset: Offset) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """A patch of output blocks: it is given h and the skip connection, before they are joined."""
    return lambda h, skip, options: (offset.added(h, options), skip)


def _input_patch(offset: Offset) -> Callable[..., torch.Tensor]:
    """A patch of input blocks, after the skip connection has been taken."""
    return lambda h, options: offset.added(h, options)


def _published(folder: Path, name: str) -> bytes:
    """A file of a catalog, as SHA256SUMS says that it was published."""
    try:
        sums = (folder / SUMS).read_text().splitlines()
        content = (folder / name).read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{folder} is no catalog of directions ({error}).") from error
    if f"{hashlib.sha256(content).hexdigest()}  {name}" not in sums:
        raise ValueError(f"{folder / name} has changed since it was published. Copy the catalog again.")
    return content


def _sliders() -> dict[str, str]:
    """The direction behind each slider."""
    try:
        return dict(json.loads((HERE / "sliders.json").read_text()))
    except OSError:
        return {}


def _slider(tooltip: str) -> tuple[str, dict[str, Any]]:
    about = {"default": 0.0, "min": -5.0, "max": 5.0, "step": 0.05, "round": 0.001, "display": "slider"}
    return "FLOAT", {**about, "tooltip": tooltip}


_CATALOG = ("STRING", {"default": "", "tooltip": "Folder of a catalog; empty is the one that this node came with."})
_TO = ((BOTH, CONDITIONAL), {"default": BOTH, "tooltip": "Which halves of the batch under guidance."})


class Sliders:
    """A slider an attribute, each for the direction that the catalog recommends."""

    RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL",), "patch", "h-space"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        sliders = {name: _slider("In standard deviations.") for name in _sliders()}
        return {"required": {"model": ("MODEL",), "catalog": _CATALOG, "to": _TO, **sliders}}

    def patch(self, model: Any, catalog: str, to: str, **strengths: float) -> tuple[Any]:
        named = _sliders()
        wanted = {named[slider]: strength for slider, strength in strengths.items() if strength}
        return (patched(model, Path(catalog) if catalog else HERE / "catalog", wanted, to),)


class ByName:
    """Any direction of a catalog, by its name."""

    RETURN_TYPES, FUNCTION, CATEGORY = ("MODEL",), "patch", "h-space"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        direction = ("STRING", {"default": next(iter(_sliders().values()), "")})
        strength = _slider("In standard deviations, where the catalog knows them; else times the vector.")
        return {
            "required": {
                "model": ("MODEL",),
                "catalog": _CATALOG,
                "to": _TO,
                "direction": direction,
                "strength": strength,
            }
        }

    def patch(self, model: Any, catalog: str, to: str, direction: str, strength: float) -> tuple[Any]:
        return (patched(model, Path(catalog) if catalog else HERE / "catalog", {direction: strength}, to),)


NODE_CLASS_MAPPINGS = {"HSpaceSliders": Sliders, "HSpaceDirection": ByName}
NODE_DISPLAY_NAME_MAPPINGS = {"HSpaceSliders": "h-space sliders", "HSpaceDirection": "h-space direction"}
