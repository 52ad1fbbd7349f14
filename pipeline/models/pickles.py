"""Weights in pickles (`.bin`): read by torch's restricted unpickler alone, and converted once to safetensors.

A pickle is a program. The restricted unpickler knows none of its instructions but those that make tensors and plain containers, and
what is not a flat dictionary of tensors is refused. What it gives is kept in a cache of this machine, `~/.cache/hspace-directions`
(or in XDG_CACHE_HOME), or the folder that HSPACE_DIRECTIONS_CACHE names:

    weights/HASH OF THE PICKLES-HASH OF THIS FILE.safetensors
"""

import os
import re
import tempfile
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from pipeline.errors import UserError
from pipeline.formats.hashes import check_unchanged, sha256

CACHE = "HSPACE_DIRECTIONS_CACHE"

# Of before, pickles are known that get out of it: CVE-2025-32434 (until 2.5.1) and CVE-2026-24747 (until 2.9.1).
_SAFE_SINCE = (2, 10)


def converted(pickles: Sequence[Path], sha: str) -> Path:
    """The safetensors of pickled weights whose SHA-256 is `sha`, from the cache, or made now.

    Raises UserError for a pickle that is damaged or holds anything but tensors; nothing in it is run.
    """
    folder = cache() / "weights"
    for found in sorted(folder.glob(f"{sha}-*.safetensors")):
        if found.stem == f"{sha}-{sha256(found)}":  # or it is damaged, and what is made now replaces it
            return found
    return _convert(pickles, sha, folder)


def cache() -> Path:
    """The folder of this machine for what is made once and can be made again."""
    if chosen := os.environ.get(CACHE):
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "hspace-directions"


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a pickle by name, on the CPU. Raises UserError as `converted` does."""
    return _tensors(_held(path), path)


def read_one_or_more(path: Path) -> dict[str, Tensor]:
    """The same of a pickle that may be one tensor alone, which is then called "tensor"."""
    held = _held(path)
    return _tensors({"tensor": held} if isinstance(held, Tensor) else held, path)


def _held(path: Path) -> object:
    """What a pickle holds, read by the restricted unpickler."""
    if _torch_version() < _SAFE_SINCE:
        raise UserError(
            f"{path} is a pickle, and torch {torch.__version__} does not read those safely. Install torch 2.10 or newer."
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # of what is refused anyway
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # whatever a damaged or hostile file makes zipfile, pickle and torch raise
        raise _unreadable(path, error) from error


def _tensors(held: object, path: Path) -> dict[str, Tensor]:
    """What was read, once it is known to be tensors by name; `{"state_dict": tensors}` with nothing beside it counts as these."""
    if isinstance(held, dict) and held.keys() == {"state_dict"}:
        held = held["state_dict"]
    if not isinstance(held, dict) or not held:
        found = "nothing" if held == {} else f"one object, a {type(held).__name__}"
        raise UserError(
            f"{path} holds {found}; expected a dictionary of tensors by name.\nSave the network's state_dict() alone."
        )
    for key, value in held.items():
        if not isinstance(key, str) or not _is_plain(value):
            raise UserError(
                f"{path} holds more than tensors by name: under {key!r} is {_described(value)}.\n"
                "Save the network's state_dict() alone, without what training kept beside it."
            )
    return {key: value.detach() for key, value in held.items()}


def _is_plain(value: object) -> bool:
    if not isinstance(value, Tensor) or type(value) not in (Tensor, torch.nn.Parameter):
        return False
    return (
        value.layout == torch.strided and value.device.type == "cpu" and not (value.is_quantized or value.is_complex())
    )


def _described(value: object) -> str:
    if not isinstance(value, Tensor):
        return f"one of type {type(value).__name__}"
    return f"a {type(value).__name__} of {value.dtype}, {value.layout}, on {value.device}"


def _convert(pickles: Sequence[Path], sha: str, folder: Path) -> Path:
    """Write the tensors of pickles as one file of safetensors, whole or not at all."""
    tensors: dict[str, Tensor] = {}
    for path in pickles:
        more = read(path)
        if twice := sorted(tensors.keys() & more.keys()):
            raise UserError(f"{path}: {twice[0]} stands in another shard too. Copy the whole folder again.")
        tensors |= more
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as making:
            made = Path(making) / "weights.safetensors"
            save_file(_apart(tensors), made)
            check_unchanged(pickles, sha)  # or the cache would hold another file's tensors under this hash
            kept = folder / f"{sha}-{sha256(made)}.safetensors"
            os.replace(made, kept)
    except OSError as error:
        raise UserError(
            f"The weights of {pickles[0]} could not be kept as safetensors in {folder} ({error}).\n"
            f"Make room there, or name another folder by the environment variable {CACHE}."
        ) from error
    return kept


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, none of which shares memory with another or is part of a larger one: safetensors has no word for that."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage()
        alone = tensor.is_contiguous() and storage.nbytes() == tensor.nbytes and storage.data_ptr() not in seen
        apart[name] = tensor if alone else tensor.contiguous().clone()
        seen.add(storage.data_ptr())
    return apart


def _unreadable(path: Path, error: Exception) -> UserError:
    """What to say of a pickle that the restricted unpickler did not read. Torch's own advice, to read it without, is left out."""
    said = str(error)
    if asked := re.search(r"GLOBAL ([\w.]+)", said):
        found = f"it asks for {asked[1]}"
    elif kind := re.search(r"TorchScript|legacy \.tar", said):
        found = f"it is in the {kind[0]} format"
    else:
        what = "" if "weights_only" in said else f" ({said[:100] or type(error).__name__})"
        return UserError(
            f"{path} cannot be read as what torch.save wrote of tensors alone{what}.\n"
            "Half a file, or one of another kind? Copy it again."
        )
    return UserError(
        f"{path} holds more than tensors: {found}. Nothing in it was run.\n"
        "If you trust the file, read it elsewhere and save the network with save_pretrained, or its state_dict() alone."
    )


def _torch_version() -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2])
