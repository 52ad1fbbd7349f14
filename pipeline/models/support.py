"""What a model must be to run here: a U-Net with an h-space, under one embedding at most, of RGB images, trained as a DDPM.

Each check raises UserError with what was found, what was expected and what to do.
"""

from pathlib import Path
from typing import Any

from diffusers import UNet2DConditionModel, UNet2DModel

from pipeline.errors import UserError
from pipeline.hspace import bottleneck

UNETS = (UNet2DModel, UNet2DConditionModel)

_PREDICTIONS = ("epsilon", "v_prediction", "sample")

# Fields of a U-Net's configuration that ask for a condition which is not given here.
_CONDITIONS = {
    "class_embed_type": "class labels",
    "num_class_embeds": "class labels",
    "addition_embed_type": "more than one embedding (as SDXL does)",
    "encoder_hid_dim": "an embedding that it projects first",
    "encoder_hid_dim_type": "an embedding that it projects first",
}


def check_architecture(config: dict[str, Any], path: Path) -> None:
    """Whether the config.json at a path may be of a U-Net: newer pipelines have a transformer in its place."""
    name = str(config.get("_class_name"))
    if path.parent.name == "transformer" or any(part in name for part in ("Transformer", "DiT", "Vit")):
        raise UserError(
            f"{path.parent} holds a {name}: a transformer has no bottleneck, so no h-space.\n"
            "Use a model with a U-Net, UNet2DModel or UNet2DConditionModel of diffusers."
        )


def check_unet(config: dict[str, Any], unet: Any, folder: Path) -> None:
    """Whether the U-Net has an h-space, and runs on x_t, a timestep, and at most one embedding."""
    kind = type(unet).__name__
    if unet.mid_block is None:
        raise UserError(
            f"The {kind} of {folder} has no mid block, so it has no h-space (mid_block_type is null in its config.json).\n"
            "Use a U-Net with a bottleneck."
        )
    for field, needed in _CONDITIONS.items():
        if (value := unet.config.get(field)) is not None:
            raise UserError(
                f"The {kind} of {folder} needs {needed}: {field} is {value!r} in its config.json.\n"
                "Expected an unconditional U-Net, or one under a single embedding (cross-attention)."
            )
    if bottleneck.is_conditional(unet) and len(widths(unet)) != 1:
        raise UserError(
            f"The {kind} of {folder} has cross_attention_dim {unet.config['cross_attention_dim']}; expected one number.\n"
            "Only one embedding can be given here, the same to all blocks."
        )
    if absent := [field for field in ("in_channels", "sample_size") if config.get(field) is None]:
        raise UserError(
            f"The config.json of {folder}'s U-Net has no {absent[0]}.\n"
            "Write it there: the channels and the height (or height and width) of what the model was trained on."
        )


def widths(unet: Any) -> set[int]:
    """The widths of the embeddings that a conditional U-Net reads."""
    width = unet.config["cross_attention_dim"]
    return set(width) if isinstance(width, list | tuple) else {width} - {None}


def check_images(unet: Any, decoder: Path | None, folder: Path) -> None:
    """Whether the U-Net gives back what it takes, and that is RGB, or latents."""
    taken, given = unet.config["in_channels"], unet.config["out_channels"]
    if taken != given:
        raise UserError(
            f"The U-Net of {folder} takes {taken} channels and gives {given}; expected as many.\n"
            "Models that also predict a variance, and those for inpainting or upscaling, are not run here."
        )
    if decoder is None and taken != 3:
        raise UserError(
            f"The U-Net of {folder} works on {taken} channels; expected 3, RGB.\n"
            "If these are latents, the autoencoder is missing: copy its folder, vae/ or vqvae/, too."
        )


def check_scheduler(config: dict[str, Any]) -> None:
    """Whether the model was trained as a DDPM, so that Eq. 2-5 describe its reverse process."""
    kind = config.get("_class_name")
    if "beta_schedule" not in config and config.get("trained_betas") is None:
        raise UserError(
            f"The scheduler, {kind}, has no betas; expected a diffusion model trained as a DDPM "
            "(DDPMScheduler, DDIMScheduler and the like).\n"
            "Flow matching and variance-exploding models (EDM, Karras) have another reverse process."
        )
    prediction = config.get("prediction_type", "epsilon")
    if prediction not in _PREDICTIONS or config.get("timestep_type") == "continuous":
        raise UserError(
            f"The {kind} predicts {prediction!r} at {config.get('timestep_type', 'discrete')} timesteps; "
            f"expected {', '.join(_PREDICTIONS)}, at discrete ones.\n"
            "Flow matching and variance-exploding models (EDM, Karras) have another reverse process."
        )
