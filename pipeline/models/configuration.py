"""What a network's config.json says, and which of a model's folders holds the U-Net."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.errors import UserError

# What diffusers' EMAModel writes into the config.json of the averaged network: how it was averaged, not what it is.
_OF_THE_AVERAGE = (
    "decay",
    "inv_gamma",
    "min_decay",
    "optimization_step",
    "power",
    "update_after_step",
    "use_ema_warmup",
)


def read_json(path: Path, what: str) -> dict[str, Any]:
    """A JSON object; `what` it is stands in the error for a file that is missing or damaged."""
    try:
        read = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: {what}. Copy the whole folder that save_pretrained wrote.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}). Copy the whole folder again.") from error
    if not isinstance(read, dict):
        raise UserError(f"{path} holds a {type(read).__name__}; expected {what}. Copy the whole folder again.")
    return read


def read_network(path: Path, what: str) -> dict[str, Any]:
    """A network's configuration: its class, and its settings as the file says them. Raises UserError for quantised weights.

    Notes on how its weights were averaged are left out, and whatever begins with _ but for the class: of these diffusers obeys
    `_use_default_values`, which would have it pass over settings.
    """
    read = read_json(path, what)
    if quantised := read.get("quantization_config"):
        how = quantised.get("quant_method") if isinstance(quantised, dict) else quantised
        raise UserError(
            f"{path} says that the weights are quantised (quantization_config: {how}); these are not run here.\n"
            "Take the full-precision files of the model."
        )
    kept = (key for key in read if key not in _OF_THE_AVERAGE)
    return {key: read[key] for key in kept if key == "_class_name" or not key.startswith("_")}


def unet_folder(folder: Path, chosen: str | None = None) -> Path:
    """Where in a model's folder the U-Net lies: unet/, or the folder itself; where there are several, the one that was chosen.

    Raises UserError for a choice that is not there, and where there is one to make.
    """
    configured = [folder / "config.json", *sorted(folder.glob("*/config.json"))]
    there = [path.parent for path in configured if _is_unet(path) or path.parent.name == chosen]
    if not there and (folder / "unet").is_dir():
        there = [folder / "unet"]
    return folder / which_unet([path.relative_to(folder).as_posix() for path in there], folder, chosen)


def which_unet(names: Iterable[str], where: object, chosen: str | None = None) -> str:
    """The folder of the U-Net among those of a model that hold one; "." is the model's own.

    Raises UserError as `unet_folder` does.
    """
    there = list(names)
    if chosen is not None:
        if chosen not in there:
            raise UserError(
                f"{where} has no U-Net in a folder {chosen}; it has {', '.join(there) or 'none'}. Change `unet`."
            )
        return chosen
    if len(there) > 1:
        raise UserError(f"{where} holds {len(there)} U-Nets: {', '.join(there)}.\nChoose one of them by `unet`.")
    if there and there[0] not in ("unet", "."):
        raise UserError(
            f"{where} holds a U-Net in {there[0]} alone, where unet was expected. If you mean it, choose it by `unet`."
        )
    return there[0] if there else "."


def _is_unet(path: Path) -> bool:
    """Whether this is the config.json of a U-Net, by its class or, where it cannot be read, by its folder."""
    try:
        return str(json.loads(path.read_text()).get("_class_name")).startswith("UNet")
    except (OSError, ValueError, AttributeError):
        return path.parent.name == "unet"
