"""Whether a network and its scheduler are those that a catalog is of: what differs, by a name under which it may be allowed.

    weights         the file of the U-Net's weights is not the one whose hash the catalog has
    configuration   the U-Net is built otherwise
    scheduler       it predicts something else, was trained with other betas, or is of another family, such as flow matching
    shape           h has another size: what is added is stretched over it (found out in the first pass)
    catalog         an edit is of another catalog than the one that it is applied with

A capture point that a network has not, and h of other channels, cannot be allowed: there is nothing to add to.
"""

import json
import warnings
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.direction_edit import DirectionEdit
from pipeline.errors import UserError
from pipeline.formats.hashes import sha256, sha256_of
from schemas.catalog import ModelCard

ALLOWED = ("weights", "configuration", "scheduler", "shape", "catalog")
OF_SIZE = ("sample_size", "dropout")  # of a U-Net's configuration, what its weights do not depend on
BETAS = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "rescale_betas_zero_snr")
NAME = "diffusion_pytorch_model"

Difference = tuple[str, str]  # its name, and what was found, in words


def check(catalog: DirectionCatalog, edit: DirectionEdit, unet: Any, scheduler: Any, allow: frozenset[str]) -> None:
    """Raise UserError for whatever differs and is not allowed; warn where the weights cannot be compared."""
    if unknown := sorted(allow - set(ALLOWED)):
        raise UserError(f"{unknown[0]!r} is nothing that can be allowed; expected one of {', '.join(ALLOWED)}.")
    found = [each for each in _differences(catalog, edit, unet, scheduler, allow) if each[0] not in allow]
    if found:
        names = ", ".join(repr(name) for name, _ in found)
        raise UserError(
            f"This is not what the catalog of {catalog.about.model.name} is of:\n"
            + "".join(f"- {said}\n" for _, said in found)
            + f"With another model a direction means nothing. If you know that it will do, allow {names}."
        )


def _differences(
    catalog: DirectionCatalog, edit: DirectionEdit, unet: Any, scheduler: Any, allow: frozenset[str]
) -> Iterator[Difference]:
    model = catalog.about.model
    if edit.catalog_sha256 != catalog.sha256:
        yield (
            "catalog",
            f"the edit was made with the catalog {edit.catalog_sha256[:12]}, and this one is {catalog.sha256[:12]}",
        )
    if edit.weights_sha256 != model.weights_sha256:
        yield (
            "weights",
            f"the edit is of the weights {edit.weights_sha256[:12]}, and the catalog of {model.weights_sha256[:12]}",
        )
    if otherwise := _built_otherwise(model, dict(unet.config)):
        yield "configuration", f"the U-Net has {otherwise}"
    elif "weights" not in allow and (weights := _other_weights(model, unet)):
        yield "weights", weights
    if scheduler is not None and (other := _other_process(model, scheduler)):
        yield "scheduler", other


def _built_otherwise(model: ModelCard, config: dict[str, Any]) -> str:
    """The settings of a U-Net that differ from the catalog's, in words; "" where none does."""
    ours, theirs = (json.loads(json.dumps(each, default=str)) for each in (model.unet, config))
    both = sorted(key for key in ours.keys() & theirs.keys() if not key.startswith("_") and key not in OF_SIZE)
    different = [f"{key} = {theirs[key]}, and not {ours[key]}" for key in both if ours[key] != theirs[key]]
    return "; ".join(different[:3]) + (f"; and {len(different) - 3} more" if len(different) > 3 else "")


def _other_weights(model: ModelCard, unet: Any) -> str:
    """How the file of its weights differs, in words; "" where it is the same, or is not to be found."""
    folder = _folder(str(dict(unet.config).get("_name_or_path") or ""))
    folders = [] if folder is None else list(dict.fromkeys((folder, folder / model.unet_folder)))
    first = ""
    for found in chain.from_iterable(map(_hashes, folders)):
        if found == model.weights_sha256:
            return ""
        first = first or found
    if first:
        return f"the weights in {folder} have the SHA-256 {first[:12]}, and not {model.weights_sha256[:12]}"
    warnings.warn(
        f"Whether this U-Net has the weights that the catalog of {model.name} is of could not be seen: "
        "it does not say in which folder they lie. Allow 'weights' to be asked no more.",
        stacklevel=6,
    )
    return ""


def _folder(name: str) -> Path | None:
    """Where a network was loaded from: a folder, or a repository in the hub's cache; None where that is not known."""
    if not name or Path(name).is_dir():
        return Path(name) if name else None
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, local_files_only=True))
    except Exception:  # of a dozen kinds; all mean that it is not there
        return None


def _hashes(folder: Path) -> Iterator[str]:
    """The SHA-256 of each set of weights in a folder, the full ones first; of shards, of all one after another."""
    for kind in ("safetensors", "bin"):
        files = sorted(folder.glob(f"{NAME}*.{kind}"), key=lambda file: (len(file.name), file.name))
        shards = tuple(file for file in files if "-of-" in file.name)
        for file in files:
            if file not in shards:
                yield _hash((file,), (_state(file),))
        if shards:
            yield _hash(shards, tuple(map(_state, shards)))


@lru_cache(maxsize=64)
def _hash(files: tuple[Path, ...], states: tuple[tuple[int, int], ...]) -> str:
    """Of files in these states, which are hashed once."""
    return sha256(files[0]) if len(files) == 1 else sha256_of(files)


def _state(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def _other_process(model: ModelCard, scheduler: Any) -> str:
    """How a scheduler differs from the one that the model was trained with, in words; "" where it does not."""
    kind, config, ours = type(scheduler).__name__, dict(scheduler.config), model.scheduler
    betas = getattr(scheduler, "betas", None)
    if betas is None or config.get("use_flow_sigmas") or config.get("timestep_type") == "continuous":
        return f"{kind} is of another family (flow matching, or noise that grows without bound), in which timesteps are others"
    expected, found = (each.get("prediction_type", "epsilon") for each in (ours, config))
    if expected != found:
        return f"{kind} takes what the U-Net gives as {found}, and the model predicts {expected}"
    wanted = _betas(ours)
    if wanted is not None and not _alike(wanted, betas.cpu().float()):
        return (
            f"{kind} has {_said(betas)}, and the model was trained with {_said(wanted)}: "
            "make it with `from_config` of the model's own scheduler"
        )
    return ""


def _alike(betas: torch.Tensor, others: torch.Tensor) -> bool:
    return len(betas) == len(others) and torch.allclose(betas, others, rtol=1e-3, atol=1e-6)


def _said(betas: torch.Tensor) -> str:
    return f"{len(betas)} betas up to {float(betas.max()):.3g}"


def _betas(config: dict[str, Any]) -> torch.Tensor | None:
    """The betas of a scheduler's configuration; None where diffusers does not make them so."""
    from diffusers import DDPMScheduler

    try:
        return DDPMScheduler(**{key: config[key] for key in BETAS if config.get(key) is not None}).betas.cpu().float()
    except (TypeError, ValueError, NotImplementedError):
        return None
