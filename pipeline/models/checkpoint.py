"""A checkpoint: one network of a model, its config.json and its weights, as diffusers' `save_pretrained` writes them.

Weights are checked by the names, shapes and types in their headers before any number is read. They are known by the SHA-256 of
the files that the user has; pickled ones are converted first, and everything after that reads the safetensors made of them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import nn

from pipeline.errors import UserError
from pipeline.formats.hashes import check_unchanged, sha256_of
from pipeline.models import pickles, tensors, weights
from pipeline.models.configuration import read_json as read_json
from pipeline.models.configuration import read_network as read_network
from pipeline.models.weights import Weights


def checked(folder: Path, network: nn.Module, variant: str | None = None, preferred: bool = False) -> str:
    """SHA-256 of the weights in a folder, once they are known to fit the network.

    `variant` is such as fp16; `preferred` takes it only where there is one. Raises UserError for weights that are missing, damaged,
    quantised, of other names or shapes than the network's, and for pickles with anything but tensors in them.
    """
    found = weights.find(folder, variant, preferred)
    sha256 = sha256_of(found.files)
    tensors.check(_safetensors(found, sha256), network, _where(found))
    return sha256


def load(
    kind: Any, config: dict[str, Any], folder: Path, sha256: str, variant: str | None = None, preferred: bool = False
) -> Any:
    """A network of a diffusers class in float32, channels last (a third faster on most CPUs), not to be trained.

    config: as it was when the model was found, whatever the folder's config.json says by now. The network goes on the GPU where
    there is one. Raises UserError if the weights are no longer those of this SHA-256, or hold NaN.
    """
    found = weights.find(folder, variant, preferred)
    check_unchanged(found.files, sha256)
    with init_empty_weights():
        network = kind.from_config(config)
    read = tensors.read(_safetensors(found, sha256), _where(found))
    network.load_state_dict(read, assign=True)
    return network.to(device(), memory_format=torch.channels_last).eval().requires_grad_(False)


def device() -> str:
    """Where networks run."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def without_weights(kind: Any, config: dict[str, Any]) -> Any:
    """A network of a diffusers class on the meta device: names and shapes, and no numbers."""
    try:
        with torch.device("meta"):
            return kind.from_config(config)
    except Exception as error:  # whatever the constructors of a dozen kinds of blocks raise
        raise UserError(
            f"diffusers makes no {kind.__name__} of this configuration ({error}).\nCopy the model's config.json again."
        ) from error


def kind_of(config: dict[str, Any], kinds: Sequence[str], where: Path) -> Any:
    """The diffusers class that a configuration names, one of `kinds`."""
    name = config.get("_class_name")
    if name not in kinds:
        raise UserError(f"{where} is of class {name}; expected {' or '.join(kinds)} of diffusers.")
    import diffusers  # takes seconds, which who needs no network would wait, too

    return getattr(diffusers, str(name))


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes in a safetensors file, from its header."""
    return {key: shape for key, (_, shape) in tensors.headers(path).items()}


def _safetensors(found: Weights, sha256: str) -> Sequence[Path]:
    return [pickles.converted(found.files, sha256)] if found.pickled else found.files


def _where(found: Weights) -> Path:
    """What to name in an error: the file, or the folder of the shards."""
    return found.files[0] if len(found.files) == 1 else found.files[0].parent
