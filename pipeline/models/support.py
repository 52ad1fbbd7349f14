"""What a model must be to run here: a U-Net with an h-space, under one embedding and one class a sample at most, of images.

Each check raises UserError with what was found, what was expected and what to do.
"""

from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.hspace import inputs, points
from pipeline.models import schedule
from pipeline.models.values import Config, choice, size, whole

UNETS = ("UNet2DModel", "UNet2DConditionModel")
IMAGES = {1: "grey", 3: "RGB"}  # channels of images

_EXPECTED = "Use a model with a U-Net, UNet2DModel or UNet2DConditionModel of diffusers."

# By what the class of a network's name has in it: what it is, and why it does not run here.
_ARCHITECTURES = {
    ("Transformer", "DiT", "Vit", "ViT"): "a transformer has no bottleneck, so no h-space",
    ("UNet3D", "UNetSpatioTemporal", "UNetMotion", "I2VGen"): "a U-Net of videos, and h here is of one image",
    ("UNet1D",): "a U-Net of sound or of motion, and what is found here is directions of images",
    ("ControlNet", "T2IAdapter", "MotionAdapter"): "an addition to a U-Net, which makes no image alone",
    (
        "StableCascade",
        "WuerstchenPrior",
        "WuerstchenDiffNeXt",
        "Paella",
    ): "no U-Net with a mid block, so it has no h-space",
    ("Prior",): "a prior, which makes embeddings and no images",
}

# Fields of a U-Net's configuration that ask for a condition which is not given here, by what they may be set to.
_CONDITIONS: dict[str, dict[Any, str]] = {
    "class_embed_type": {
        "timestep": "a second timestep, such as the noise level of an image to be enlarged",
        "simple_projection": "an embedding beside the timestep's",
        "projection": "an embedding beside the timestep's",
        "identity": "an embedding beside the timestep's",
    },
    "addition_embed_type": {
        "text_time": "more than one embedding (as SDXL does): a pooled one, and sizes",
        "text_image": "more than one embedding (as Kandinsky 2.1 does): a text's and an image's",
        "image": "more than one embedding (as Kandinsky 2.2 does): an image's",
        "image_hint": "more than one embedding (as Kandinsky 2.2 does): an image's, and a map",
    },
    "encoder_hid_dim_type": {
        "image_proj": "an image's embedding (as Kandinsky 2.2 does)",
        "text_image_proj": "a text's and an image's embedding (as Kandinsky 2.1 does)",
        "ip_image_proj": "an image's embedding beside the text's (an IP-Adapter)",
    },
    "time_cond_proj_dim": {},
}
# What a U-Net makes of the one embedding by itself, as DeepFloyd IF's does: pooled, and projected.
_BY_ITSELF = {"addition_embed_type": "text", "encoder_hid_dim_type": "text_proj"}
_ELSE = {
    "class_embed_type": "class labels that are no plain numbers",
    "addition_embed_type": "more than one embedding",
    "encoder_hid_dim_type": "an embedding that it projects first",
    "time_cond_proj_dim": "the strength of guidance beside the timestep (a distilled, LCM, model)",
}


def check_architecture(config: Config, path: Path) -> None:
    """Whether the config.json at a path may be of a U-Net of images: other pipelines have other networks in its place."""
    name = str(config.get("_class_name"))
    if path.parent.name == "transformer":
        raise UserError(
            f"{path.parent} holds a {name}: {_ARCHITECTURES['Transformer', 'DiT', 'Vit', 'ViT']}.\n{_EXPECTED}"
        )
    if name in UNETS:
        return
    for parts, reason in _ARCHITECTURES.items():
        if any(part in name for part in parts):
            raise UserError(f"{path.parent} holds a {name}: {reason}.\n{_EXPECTED}")


def check_folder(folder: Path) -> None:
    """Whether a folder without a U-Net's config.json holds something else that is known by its files."""
    lora = [*folder.glob("*lora*.safetensors"), *folder.glob("adapter_config.json"), *folder.glob("*lora*.bin")]
    if lora:
        raise UserError(
            f"{folder} holds a LoRA ({lora[0].name}), a change of a model's weights, and not the model.\n"
            "Load the model in diffusers, `load_lora_weights` and `fuse_lora`, and save_pretrained it: give that folder."
        )
    for name, what in {"prior": "a prior, which makes embeddings", "decoder": "a decoder without a mid block"}.items():
        if (folder / name / "config.json").exists():
            raise UserError(f"{folder} holds {what} ({name}/), and no U-Net with an h-space.\n{_EXPECTED}")


def check_values(config: Config, path: Path) -> Config:
    """The configuration with its sizes as numbers, however they were written; for values that no U-Net has, UserError."""
    if absent := [field for field in ("in_channels", "sample_size") if config.get(field) is None]:
        raise UserError(
            f"{path} has no {absent[0]}.\n"
            "Write it there: the channels and the height (or height and width) of what the model was trained on."
        )
    for key in ("in_channels", "out_channels", "num_class_embeds", "num_train_timesteps"):
        whole(config, key, path)
    if config.get("_class_name", "UNet2DModel") == "UNet2DModel":
        choice(config, "time_embedding_type", path, ("positional", "fourier", "learned"))
    return {**config, "sample_size": size(config, "sample_size", path)}


def check_unet(config: Config, unet: Any, folder: Path) -> None:
    """Whether the U-Net runs on x_t, a timestep, one embedding and a class at most, at its own size."""
    kind = type(unet).__name__
    for field, needs in _CONDITIONS.items():
        if (value := unet.config.get(field)) not in (None, _BY_ITSELF.get(field)):
            needed = needs.get(value) if isinstance(value, str) else None
            raise UserError(
                f"The {kind} of {folder} needs {needed or _ELSE[field]}: {field} is {value!r} in its config.json.\n"
                "Expected an unconditional U-Net, or one under a single embedding (cross-attention) or a class."
            )
    if inputs.is_conditional(unet) and len(widths(unet)) != 1:
        raise UserError(
            f"The {kind} of {folder} has cross_attention_dim {unet.config['cross_attention_dim']}; expected one number.\n"
            "Only one embedding can be given here, the same to all blocks."
        )


def check_runs(unet: Any, config: Config, folder: Path) -> None:
    """Whether a pass without weights gives back the size that it takes."""
    found, halvings = config["sample_size"], len(unet.config["block_out_channels"]) - 1
    height, width = (found, found) if isinstance(found, int) else found
    try:
        output = points.output_shape(unet)
        reason = f"it gives {output[2]} x {output[3]}" if tuple(output[2:]) != (height, width) else None
    except Exception as error:  # whatever the blocks raise where shapes do not meet
        reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no reason'}"
    if reason is None:
        return
    if height % 2**halvings or width % 2**halvings:
        raise UserError(
            f"sample_size is {found} in the config.json of {folder}'s U-Net, whose blocks halve it {halvings} times; "
            f"expected multiples of {2**halvings}.\nWrite the height and width there that the model was trained on."
        )
    raise UserError(
        f"The {type(unet).__name__} of {folder} does not run on {height} x {width} ({reason}).\n"
        "Its config.json describes no network that works: copy it again."
    )


def widths(unet: Any) -> set[int]:
    """The widths of the embeddings that a conditional U-Net reads, before it projects them where it does."""
    width = unet.config.get("encoder_hid_dim") or unet.config["cross_attention_dim"]
    return set(width) if isinstance(width, list | tuple) else {width} - {None}


def check_channels(unet: Any, decoder: Path | None, folder: Path) -> None:
    """Whether the U-Net works on images, or on latents, and gives back what it takes, with a variance beside it at most."""
    taken, given = unet.config["in_channels"], unet.config["out_channels"]
    if taken > given:
        raise UserError(
            f"The U-Net of {folder} takes {taken} channels and gives {given}; expected as many.\n"
            f"{_GIVEN_BESIDE.get((taken, given), 'The others are another image, given beside the noisy one')}: "
            "models for inpainting, upscaling or editing are not run here."
        )
    if given not in (taken, 2 * taken):
        raise UserError(
            f"The U-Net of {folder} takes {taken} channels and gives {given}; expected as many, or twice as many."
        )
    if decoder is None and taken not in IMAGES:
        raise UserError(
            f"The U-Net of {folder} works on {taken} channels; expected 3, RGB, or 1, grey.\n"
            "If these are latents, the autoencoder is missing: copy its folder, vae/ or vqvae/, too."
        )


_GIVEN_BESIDE = {
    (9, 4): "The others are a mask and what is outside it",
    (7, 4): "The others are a small image",
    (8, 4): "The others are the image to be edited",
    (6, 3): "The others are a small image",
}


def check_variance(unet: Any, config: Config, folder: Path) -> None:
    """Whether the U-Net's channels and the scheduler agree on a variance that is learned."""
    taken, given = unet.config["in_channels"], unet.config["out_channels"]
    named = schedule.variance_type(config)
    if given == taken and named in schedule.LEARNED:
        raise UserError(
            f"The scheduler of {folder} has variance_type {named!r}, and the U-Net gives {given} channels; expected {2 * taken}.\n"
            "The two belong to different models: copy both from one place, or write the variance_type that it was trained with."
        )
    if given == 2 * taken and named is not None and named not in schedule.LEARNED:
        raise UserError(
            f"The U-Net of {folder} takes {taken} channels and gives {given}, and its scheduler has variance_type {named!r}.\n"
            'Where the second half is a variance, write "variance_type": "learned_range" in scheduler_config.json.'
        )


def check_time_embedding(unet: Any, config: Config, folder: Path) -> None:
    """Whether the U-Net knows all timesteps of the scheduler."""
    if unet.config.get("time_embedding_type") != "learned":
        return
    known, trained = unet.config["num_train_timesteps"], config.get("num_train_timesteps", 1000)
    if known < trained:
        raise UserError(
            f"The U-Net of {folder} has learned {known} timesteps (num_train_timesteps), and its scheduler has {trained}.\n"
            "The two belong to different models: copy both from one place."
        )


def notes(unet: Config, scheduler: Config) -> tuple[str, ...]:
    """What is done otherwise here than the model's own files say, in whole sentences."""
    said = []
    variance = schedule.variance_type(scheduler)
    if unet.get("out_channels", unet["in_channels"]) == 2 * unet["in_channels"]:
        said.append(
            "The U-Net predicts a variance beside the noise; that half of its output is left out: "
            "the noise of a step has the variance of Eq. 5, at eta = 1 that of fixed_small."
        )
    elif variance in ("fixed_large", "fixed_large_log"):
        said.append(
            f"The scheduler has variance_type {variance}; the noise of a step has the variance of Eq. 5, "
            "at eta = 1 that of fixed_small, which is a little less."
        )
    return tuple(said)
