"""Which files hold the weights of a network: whole or in shards, safetensors or pickled, full or of a variant such as fp16.

They go by the names that diffusers gives them. Safetensors win over pickles, and full weights over variants; where that leaves a
choice, it is the user's. The same rule reads a folder and the list of files of a hub repository.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.models.configuration import read_json

NAME = "diffusion_pytorch_model"

_INDEX = r"\.index(\.(?P<last>[^.]+))?\.json"
_SET = re.compile(rf"{NAME}(\.(?P<first>[^.]+))?\.(?P<kind>safetensors|bin)(?P<index>{_INDEX})?")
_SHARD = re.compile(rf"{NAME}(\.(?P<first>[^./\\]+))?-\d+-of-\d+(\.(?P<last>[^./\\]+))?\.(?P<kind>safetensors|bin)")
_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".onnx")


@dataclass(frozen=True)
class Weights:
    """Where the numbers of a network lie."""

    files: tuple[Path, ...]  # one, or the shards in order
    pickled: bool  # .bin, which only the restricted unpickler may read


@dataclass(frozen=True)
class _Set:
    """A file that stands for a whole set of weights: they themselves, or the index of their shards."""

    name: str
    variant: str | None  # None is the full ones
    pickled: bool
    index: bool


def find(folder: Path, variant: str | None = None, preferred: bool = False) -> Weights:
    """The one set of weights in a folder: the variant that was asked for, else the full ones, else the only variant.

    `preferred` takes the variant only where there is one. Raises UserError where there is none, or a choice to make.
    """
    chosen = _chosen((path.name for path in folder.glob(f"{NAME}*")), folder, variant, preferred)
    if chosen is None:
        raise _no_weights(folder)
    files = _shards(folder / chosen.name, chosen) if chosen.index else (folder / chosen.name,)
    for file in files:
        check_content(file)
    return Weights(files, chosen.pickled)


def names(listed: Iterable[str], where: object, variant: str | None = None, preferred: bool = False) -> set[str]:
    """The names among those of a folder's files that `find` would read, an index and its shards included; empty without weights."""
    listed = set(listed)
    chosen = _chosen(listed, where, variant, preferred)
    if chosen is None:
        return set()
    return {chosen.name} | ({name for name in listed if _is_shard_of(name, chosen)} if chosen.index else set())


def check_content(path: Path) -> None:
    """Raise UserError for a file that cannot be opened, holds nothing, or is git-lfs's note of where a file lies."""
    try:
        with open(path, "rb") as file:
            start = file.read(40)
    except OSError as error:
        raise UserError(
            f"{path} cannot be opened ({error.strerror}). Copy it again, or fetch the model again."
        ) from error
    if start.startswith(b"version https://git-lfs"):
        raise UserError(
            f"{path} is a pointer of git-lfs, not the weights themselves: the repository was cloned without them.\n"
            "Fetch them: run `git lfs install` and `git lfs pull` in that folder."
        )
    if not start:
        raise UserError(f"{path} is empty (0 bytes); expected weights. Copy it again.")


def _chosen(listed: Iterable[str], where: object, variant: str | None, preferred: bool) -> _Set | None:
    there = [each for name in sorted(listed) if (each := _parsed(name))]
    if there and variant is not None:
        asked = [each for each in there if each.variant == variant]
        if not asked and not preferred:
            raise UserError(
                f"{where} has no weights of variant {variant}; it has {_variants(there)}. Change `variant`."
            )
        there = asked or there
    alike = [each for each in there if each.variant is None] or there
    if len({each.variant for each in alike}) > 1:
        raise UserError(
            f"{where} holds weights of {len(alike)} variants, {_variants(alike)}, and not the full ones.\nChoose one by `variant`."
        )
    full = [each for each in alike if not each.pickled] or alike
    if len(full) > 1:
        found = ", ".join(each.name for each in full)
        raise UserError(f"{where} holds {len(full)} weight files; expected one ({found}). Keep the one that you mean.")
    return full[0] if full else None


def _parsed(name: str) -> _Set | None:
    match = _SET.fullmatch(name)
    if match is None or _SHARD.fullmatch(name):
        return None
    return _Set(name, match["first"] or match["last"], match["kind"] == "bin", match["index"] is not None)


def _variants(sets: Iterable[_Set]) -> str:
    named = {each.variant or "" for each in sets}
    return ", ".join(variant or "the full ones" for variant in sorted(named))


def _is_shard_of(name: str, index: _Set) -> bool:
    match = _SHARD.fullmatch(name)
    return match is not None and (match["first"] or match["last"], match["kind"] == "bin") == (
        index.variant,
        index.pickled,
    )


def _shards(path: Path, index: _Set) -> tuple[Path, ...]:
    """The files that an index names, in order."""
    placed = read_json(path, "the index of the shards").get("weight_map")
    shards = sorted({str(name) for name in placed.values()}) if isinstance(placed, dict) else []
    suffix = ".bin" if index.pickled else ".safetensors"
    if not shards or any(_SHARD.fullmatch(name) is None or not name.endswith(suffix) for name in shards):
        raise UserError(f"{path} names no shards ({NAME}-00001-of-00002{suffix} and the like). Copy it again.")
    files = tuple(path.parent / name for name in shards)
    if missing := [file for file in files if not file.exists()]:
        raise UserError(
            f"{missing[0]} is missing, {len(missing)} of {len(files)} shards that {path.name} names. Copy the whole folder again."
        )
    return files


def _no_weights(folder: Path) -> UserError:
    if shards := sorted(path for path in folder.glob(f"{NAME}*") if _SHARD.fullmatch(path.name)):
        return UserError(
            f"{folder} holds shards of weights ({shards[0].name}) without their index.\n"
            f"Copy {NAME}{shards[0].suffix}.index.json too: it says how many shards there are."
        )
    if quantised := sorted(path.name for path in folder.glob("*.gguf")):
        return UserError(
            f"{folder} holds quantised weights ({quantised[0]}), which are not run here.\n"
            "Take the full-precision files of the model."
        )
    expected = f"expected {NAME}.safetensors, as save_pretrained writes it, or {NAME}.bin"
    if others := sorted(path.name for path in folder.glob("*") if path.suffix in _SUFFIXES):
        return UserError(
            f"{folder} holds {others[0]}, which is no name for weights of diffusers; {expected}.\n"
            f"Write them by load_state_dict and save_pretrained. Only if it holds the network's tensors by their names, rename it."
        )
    return UserError(f"{folder} holds no weights; {expected}.\nCopy the whole folder again.")
