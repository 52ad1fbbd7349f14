"""The tensors of a checkpoint, under the names of the network that they belong to: checked by headers alone, then read.

Names differ where the network was wrapped when it was saved (`module.` of DataParallel, `_orig_mod.` of torch.compile), and in
attention of before 2023. All else must agree: a tensor that is missing, too many, of another shape, or not of floating point.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.models.weights import check_content

_WRAPPERS = ("module.", "_orig_mod.")

# Attention as diffusers named it until 2023, google/ddpm-celebahq-256 among others.
RENAMED = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}

# A second name of time_proj.weight, in U-Nets with a Fourier embedding that diffusers wrote in 2022.
_TWICE = {"time_proj.W"}

_FLOATS = ("F16", "BF16", "F32", "F64")

Header = tuple[str, tuple[int, ...]]  # the type, by safetensors' short name, and the shape of a tensor


def headers(path: Path) -> dict[str, Header]:
    """Types and shapes by name in a safetensors file, from its header. Raises UserError for a file that is damaged."""
    check_content(path)
    try:
        with safe_open(path, "pt") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118
            return {key: (part.get_dtype(), tuple(part.get_shape())) for key, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read as safetensors ({error}): half a file? Copy it again.") from error


def check(files: Sequence[Path], network: nn.Module, where: Path) -> None:
    """Raise UserError unless the names, shapes and types in safetensors are those of a network; `where` stands in the error."""
    held = {key: header for file in files for key, header in headers(file).items()}
    named = _names(held, where)
    expected = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    _check_types({old: held[old] for key, old in named.items() if key in expected}, where)
    _check_names(named.keys(), expected.keys(), where)
    for key, shape in expected.items():
        if (found := held[named[key]][1]) != shape:
            raise UserError(
                f"{where}: {key} has shape {found}, but config.json makes it {shape}.\n"
                "The weights and the configuration belong to different models: copy both from one place."
            )


def read(files: Sequence[Path], where: Path) -> dict[str, Tensor]:
    """The tensors of safetensors in float32, by the network's names. Raises UserError where they hold NaN or infinity."""
    held: dict[str, Tensor] = {}
    for file in files:
        with safe_open(file, "pt") as opened:
            held |= {key: opened.get_tensor(key).to(torch.float32, copy=True) for key in opened.keys()}  # noqa: SIM118
    tensors = {key: held[old] for key, old in _names(held, where).items()}
    _check_finite(tensors, where)
    return tensors


def _names(held: Iterable[str], where: Path) -> dict[str, str]:
    """The names in a file by those that the network has for them."""
    named = {key: key for key in held}
    while wrapper := next((each for each in _WRAPPERS if named and all(key.startswith(each) for key in named)), None):
        named = {key.removeprefix(wrapper): old for key, old in named.items()}
    renamed = [(_renamed(key), old) for key, old in named.items() if key not in _TWICE]
    twice = [key for key, count in Counter(key for key, _ in renamed).items() if count > 1]
    if twice:
        both = " and ".join(old for key, old in renamed if key == twice[0])
        raise UserError(f"{where} holds {twice[0]} twice, as {both}. Save the network's state_dict() alone.")
    return dict(renamed)


def _renamed(key: str) -> str:
    for old, new in {**RENAMED, "._orig_mod.": "."}.items():  # where torch.compile wrapped some blocks only
        key = key.replace(old, new)
    return key


def _check_types(held: dict[str, Header], where: Path) -> None:
    if odd := sorted(key for key, (kind, _) in held.items() if kind not in _FLOATS):
        kinds = ", ".join(sorted({held[key][0] for key in odd}))
        raise UserError(
            f"{where} holds quantised weights ({kinds} in {len(odd)} of {len(held)} tensors, {odd[0]} first), "
            "which are not run here.\nTake the full-precision files of the model: float32, bfloat16 or float16."
        )


def _check_names(found: Iterable[str], expected: Iterable[str], where: Path) -> None:
    found, expected = set(found), set(expected)
    missing, extra = sorted(expected - found), sorted(found - expected)
    beside = f"{len(extra)} that the network of config.json does not have, {extra[0]} first" if extra else ""
    if missing:
        lacks = f"{where} lacks {len(missing)} of {len(expected)} tensors, {missing[0]} first"
        raise UserError(
            f"{lacks}, and holds {beside}.\nThe weights and the configuration belong to different models: copy both from one place."
            if extra
            else f"{lacks}. Copy it again."
        )
    if extra:
        raise UserError(
            f"{where} holds all {len(expected)} tensors of the network, and {beside}.\n"
            "If config.json is of another model, copy both from one place; otherwise save the network's state_dict() alone."
        )


def _check_finite(tensors: dict[str, Tensor], where: Path) -> None:
    if odd := [key for key, tensor in tensors.items() if not tensor.isfinite().all()]:
        held = "NaN" if tensors[odd[0]].isnan().any() else "infinity"
        raise UserError(
            f"{where}: {len(odd)} of {len(tensors)} tensors hold NaN or infinity, {odd[0]} ({held}) first.\n"
            "The file is damaged, or training diverged, or numbers were too large for the type that they were saved in.\n"
            "Copy it again, or take an earlier checkpoint or one in float32."
        )
