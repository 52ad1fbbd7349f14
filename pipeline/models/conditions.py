"""What a U-Net is told beside x_t and the timestep: one embedding for all samples, and a class, one for all or one a sample."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from pipeline.errors import UserError
from pipeline.formats.hashes import check_unchanged, sha256
from pipeline.hspace import inputs
from pipeline.models import checkpoint, support

CONDITION = "condition.safetensors"
EACH = "each"  # a class a sample

ClassLabel = int | str


# An embedding


def find_condition(folder: Path, named: str | Path | None, unet: Any) -> Path | None:
    """The file of the embedding: the one that is named, else the one in the model's folder; None where there is none.

    Raises UserError for a file that does not fit the U-Net.
    """
    path = Path(named) if named is not None else folder / CONDITION
    if named is None and not path.exists():
        return None
    kind = type(unet).__name__
    if not path.is_file():
        raise UserError(
            f"There is no file {path}; expected an embedding, such as `python -m jobs.embed_prompt` makes of a prompt."
        )
    if not inputs.is_conditional(unet):
        raise UserError(f"{path}: a {kind} reads no condition. Remove the file, or use the model it is for.")
    [width] = support.widths(unet)
    field = "encoder_hid_dim" if unet.config.get("encoder_hid_dim") else "cross_attention_dim"
    match checkpoint.shapes(path):
        case {"encoder_hidden_states": (1, length, found), **others} if found == width and length > 0 and not others:
            return path
        case found:
            raise UserError(
                f"{path} holds {found or 'nothing'}; expected one tensor encoder_hidden_states (1, tokens, {width}).\n"
                f"{width} is the U-Net's {field}: use the embedding of the text encoder it was trained with."
            )


def condition_hash(path: Path | None) -> str | None:
    """The SHA-256 of the embedding's file. Raises UserError where it holds other than numbers."""
    if path is None:
        return None
    if not load_file(path)["encoder_hidden_states"].isfinite().all():
        raise UserError(f"{path} holds NaN or infinity; expected numbers. Make the embedding again, in float32.")
    return sha256(path)


def load_condition(path: Path, expected: str) -> Tensor:
    """The embedding (1, L, D) float32. Raises UserError where its file has changed."""
    check_unchanged([path], expected)
    return load_file(path, checkpoint.device())["encoder_hidden_states"].float()


# Classes


def check_label(label: ClassLabel | None, classes: int | None, folder: Path) -> None:
    """Whether a U-Net with so many classes, or None, can be told this class."""
    if classes is None:
        if label is not None:
            raise UserError(f"`class_label` is {label!r}, and the U-Net of {folder} knows no classes. Leave it out.")
        return
    if label == EACH or (isinstance(label, int) and not isinstance(label, bool) and 0 <= label < classes):
        return
    found = "and no class is chosen" if label is None else f"and `class_label` is {label!r}"
    raise UserError(
        f"The U-Net of {folder} was trained with {classes} classes (num_class_embeds), {found}.\n"
        f"Set `class_label` to one of 0 to {classes - 1}, or to {EACH!r}: each sample has a class of its own, drawn evenly."
    )


def drawn_label(seed: int, sample_id: int, classes: int) -> int:
    """The class of a sample, evenly drawn: of (seed, sample_id) alone, and apart from its noise."""
    digest = hashlib.sha256(f"class of {seed}/{sample_id}".encode()).digest()
    return int.from_bytes(digest, "little") % classes


def labels(label: ClassLabel | None, classes: int | None, seed: int, sample_ids: Sequence[int]) -> Tensor | None:
    """The classes (B,) of some samples; None for a U-Net without."""
    if label is None or classes is None:
        return None
    if isinstance(label, int):
        return torch.full((len(sample_ids),), label)
    return torch.tensor([drawn_label(seed, i, classes) for i in sample_ids])
