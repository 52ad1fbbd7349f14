"""The files of a network as transformers' save_pretrained writes them, in a folder or a hub repository."""

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.annotators.base import check_images
from pipeline.annotators.description import read
from pipeline.annotators.network import check_installed, tensors
from pipeline.errors import UserError
from pipeline.formats import hub

ADAPTER = "adapter_config.json"  # transformers puts what it names on top of the weights, wherever that lies
_WHOLE = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


def located(name: str, what: str, example: str, others: re.Pattern[str]) -> hub.Place:
    """A folder or a hub id. others: which files are read beside config.json and the weights.

    Raises UserError for what is neither, without config.json, and without transformers.
    """
    check_installed("transformers", "transformers", f"The {what} {name}")
    holds = "config.json and weights, as transformers' save_pretrained writes"
    place = hub.locate(name, hub.Sought(what, holds, example, partial(_wanted, others=others)))
    if not (place.folder / "config.json").is_file():
        raise UserError(f"{place.folder} has no config.json; expected a folder with {holds}.")
    if (adapter := place.folder / ADAPTER).is_file():
        raise UserError(
            f"{adapter} says that an adapter goes on top of these weights, which is not done here. Merge the two\n"
            "(merge_and_unload of peft) and save the whole network; or remove the file, if the weights alone are meant."
        )
    return place


def _wanted(listed: Iterable[str], others: re.Pattern[str]) -> list[str]:
    """config.json, these others, and one set of weights: pickles where there is nothing better."""
    there = [path for path in listed if "/" not in path]
    whole = next((name for name in _WHOLE if name in there), "")
    shards = re.compile(re.escape(whole.partition(".")[0]) + r"-\d+-of-\d+\.(safetensors|bin)")
    of_index = [path for path in there if whole.endswith(".index.json") and shards.fullmatch(path)]
    return [
        *(path for path in there if path == "config.json" or others.fullmatch(path)),
        *filter(None, [whole]),
        *of_index,
    ]


def weights_in(folder: Path) -> list[Path]:
    """The files of weights that transformers reads, in order. Raises UserError where there are none, or some are missing."""
    whole = next((folder / name for name in _WHOLE if (folder / name).is_file()), None)
    if whole is None:
        raise UserError(
            f"{folder} holds no weights; expected {_WHOLE[0]}, as save_pretrained writes it, or {_WHOLE[2]}."
        )
    if whole.suffix != ".json":
        return [whole]
    shards = sorted({str(each) for each in read(whole).get("weight_map", {}).values()})
    if missing := [each for each in shards if not (folder / each).is_file()]:
        raise UserError(f"{folder / missing[0]} is missing, one of {len(shards)} shards. Copy the whole folder again.")
    return [whole, *(folder / each for each in shards)]


def decisive(folder: Path, others: re.Pattern[str]) -> list[Path]:
    """All files that decide what a network computes: configuration, weights, and others, in order."""
    there = sorted(path for path in folder.iterdir() if path.is_file())
    return [folder / "config.json", *(path for path in there if others.fullmatch(path.name)), *weights_in(folder)]


def loaded(kind: Any, folder: Path) -> Any:
    """A network of a transformers class. Raises UserError where files are damaged, or do not hold all that the network needs."""
    files = weights_in(folder)
    pickles = [path for path in files if path.suffix == ".bin"]
    for path in pickles:
        tensors(path)  # or it is refused
    network, told = _called(
        kind,
        folder,
        local_files_only=True,
        use_safetensors=not pickles,
        output_loading_info=True,
        trust_remote_code=False,
    )
    if missing := sorted(map(str, told["missing_keys"])):
        raise UserError(
            f"{folder} lacks {len(missing)} tensors of {type(network).__name__}, {missing[0]} first,\n"
            "which would be random. Expected a network that has been trained for this."
        )
    return network.float()


def helper(kind: Any, folder: Path) -> Any:
    """A tokenizer or an image processor of transformers."""
    return _called(kind, folder, local_files_only=True, trust_remote_code=False)


def _called(kind: Any, folder: Path, **how: Any) -> Any:
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        return kind.from_pretrained(folder, **how)
    except Exception as error:  # transformers raises whatever its files make it
        said = (str(error).splitlines() or [""])[0]
        raise UserError(
            f"{folder} cannot be read by transformers' {kind.__name__} ({type(error).__name__}: {said}).\n"
            "Expected a network that save_pretrained has written, of an architecture of transformers itself. Copy the folder again."
        ) from error


def fed(images: np.ndarray) -> Tensor:
    """Images (B, H, W, 3) uint8 as image processors take them: (B, 3, H, W) uint8."""
    check_images(images)
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)


def resizing(folder: Path) -> str:
    """What a folder's image processor does to images, in a sentence."""
    said = read(folder / "preprocessor_config.json")
    size = said.get("size")
    if isinstance(size, dict):
        size = ", ".join(f"{name.replace('_', ' ')} {each}" for name, each in size.items())
    cut = ", and its middle cut out" if said.get("do_center_crop") else ""
    return f"Images are resized by the network's own image processor ({size} pixels{cut})."
