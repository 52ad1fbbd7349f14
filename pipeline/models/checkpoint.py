"""A checkpoint: one network of a model as diffusers' `save_pretrained` writes it, config.json and safetensors.

The weights are one file, or shards that an index names; either may be a variant such as fp16. They are checked by the names
and shapes in their headers before any number is read.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from pipeline.errors import UserError

FILES = ("config.json", "diffusion_pytorch_model*.safetensors", "diffusion_pytorch_model.safetensors.index*.json")

_NAME = "diffusion_pytorch_model"
_WHOLE = re.compile(rf"{_NAME}(\.(?P<variant>[^.]+))?\.safetensors")
_INDEX = re.compile(rf"{_NAME}\.safetensors\.index(\.(?P<variant>[^.]+))?\.json")
_SHARD = re.compile(rf"{_NAME}[^/\\]*-\d+-of-\d+\.safetensors")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")

# Attention as diffusers named it until 2023, google/ddpm-celebahq-256 among others; it renames them at loading.
_RENAMED = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


@dataclass(frozen=True)
class Weights:
    """Where the numbers of a network lie."""

    files: tuple[Path, ...]  # one, or the shards in order
    variant: str | None  # such as fp16

    def sha256(self) -> str:
        """Return the SHA-256 of the files' bytes, one file after another."""
        running = hashlib.sha256()
        for path in self.files:
            with open(path, "rb") as file:
                hashlib.file_digest(file, lambda: running)  # goes on where the file before it ended
        return running.hexdigest()


def checked(folder: Path, network: nn.Module) -> str:
    """SHA-256 of the weights in a folder, once they are known to fit the network.

    Raises UserError for weights that are missing, pickled, damaged, or of other names or shapes than the network's.
    """
    weights = _find(folder, type(network).__name__)
    _check(weights, network)
    return weights.sha256()


def load(kind: Any, folder: Path, sha256: str) -> Any:
    """A network of a diffusers class in float32, channels last (a third faster on most CPUs), not to be trained.

    It goes on the GPU where there is one. Raises UserError if the weights are no longer those of this SHA-256.
    """
    weights = _find(folder, kind.__name__)
    if weights.sha256() != sha256:
        raise UserError(f"{weights.files[0]} has changed since it was first read. Start the job again.")
    network = kind.from_pretrained(folder, use_safetensors=True, variant=weights.variant, torch_dtype=torch.float32)
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


def kind_of(config: dict[str, Any], kinds: Sequence[Any], where: Path) -> Any:
    """The diffusers class that a configuration names, one of `kinds`."""
    name = config.get("_class_name")
    for kind in kinds:
        if kind.__name__ == name:
            return kind
    raise UserError(
        f"{where} is of class {name}; expected {' or '.join(kind.__name__ for kind in kinds)} of diffusers."
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


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes in a safetensors file, from its header."""
    try:
        with safe_open(path, "pt") as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read as safetensors ({error}): half a file? Copy it again.") from error


def _find(folder: Path, kind: str) -> Weights:
    """The one set of safetensors in a folder, the full ones where there are variants too. Pickles are never read."""
    found = [(path, match) for path in sorted(folder.glob(f"{_NAME}*")) if (match := _is_weights(path.name))]
    full = [(path, match) for path, match in found if match["variant"] is None]
    chosen = full or found
    if len(chosen) > 1:
        names = ", ".join(path.name for path, _ in chosen)
        raise UserError(
            f"{folder} holds {len(chosen)} weight files; expected one ({names}). Keep the one that you mean."
        )
    if not chosen:
        raise _no_weights(folder, kind)
    [(path, match)] = chosen
    files = (path,) if path.suffix == ".safetensors" else _shards(path)
    return Weights(files, match["variant"])


def _is_weights(name: str) -> re.Match[str] | None:
    """Whether this is a whole set of weights, or the index of one."""
    return None if _SHARD.fullmatch(name) else _WHOLE.fullmatch(name) or _INDEX.fullmatch(name)


def _shards(index: Path) -> tuple[Path, ...]:
    """The files that an index names, in order."""
    placed = read_json(index, "the index of the shards").get("weight_map")
    names = sorted({str(name) for name in placed.values()}) if isinstance(placed, dict) else []
    if not names or any(_SHARD.fullmatch(name) is None for name in names):
        raise UserError(f"{index} names no shards ({_NAME}-00001-of-00002.safetensors and the like). Copy it again.")
    files = tuple(index.parent / name for name in names)
    if missing := [file for file in files if not file.exists()]:
        raise UserError(
            f"{missing[0]} is missing, {len(missing)} of {len(files)} shards that {index.name} names. Copy the whole folder again."
        )
    return files


def _no_weights(folder: Path, kind: str) -> UserError:
    if shards := sorted(path.name for path in folder.glob(f"{_NAME}*") if _SHARD.fullmatch(path.name)):
        return UserError(
            f"{folder} holds shards of weights ({shards[0]}) without their index.\n"
            f"Copy {_NAME}.safetensors.index.json too: it says how many shards there are."
        )
    pickled = sorted(path.name for path in folder.glob("*") if path.suffix in _PICKLES)
    if pickled:
        return UserError(
            f"{folder} holds its weights only as a pickle ({pickled[0]}), which can run code when it is read.\n"
            "Load it where you trust it and write safetensors: "
            f"{kind}.from_pretrained(folder, use_safetensors=False).save_pretrained(folder)"
        )
    return UserError(
        f"{folder} holds no weights; expected {_NAME}.safetensors, as save_pretrained writes it.\n"
        "A repository of the hub may have pickles (.bin) alone, which are not fetched: ask its owner for safetensors."
    )


def _check(weights: Weights, network: nn.Module) -> None:
    """Names and shapes in the files against those of the network."""
    where = weights.files[0] if len(weights.files) == 1 else weights.files[0].parent
    found = {_renamed(key): shape for path in weights.files for key, shape in shapes(path).items()}
    expected = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    if missing := sorted(expected.keys() - found.keys()):
        raise UserError(f"{where} lacks {len(missing)} of {len(expected)} tensors, {missing[0]} first. Copy it again.")
    for key, shape in expected.items():
        if found[key] != shape:
            raise UserError(
                f"{where}: {key} has shape {found[key]}, but config.json makes it {shape}.\n"
                "The weights and the configuration belong to different models: copy both from one place."
            )


def _renamed(key: str) -> str:
    for old, new in _RENAMED.items():
        key = key.replace(old, new)
    return key
