"""Where a model lies: in a folder, or in a repository of the hub, at a commit.

`owner/name@revision` pins a repository to a commit, tag or branch. Of its networks only the weights are fetched that will be read,
pickles where there is nothing better. What is in the local cache is not fetched again, and with HF_HUB_OFFLINE=1 nothing is.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants, list_repo_files, snapshot_download
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from pipeline.errors import UserError
from pipeline.models import weights
from pipeline.models.configuration import which_unet

_AUTOENCODERS = ("vqvae", "vae")
_SMALL = (
    "model_index.json",
    "condition.safetensors",
    "scheduler_config.json",
    "scheduler/scheduler_config.json",
    "transformer/config.json",  # which says why the model is refused
)

HUB_ID = re.compile(r"(?P<id>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>.+))?")


@dataclass(frozen=True)
class Place:
    """A model's folder on this machine, and the commit if it came from the hub."""

    name: str  # folder or hub id, as the user gave it, without the revision
    folder: Path
    revision: str | None = None


def locate(name: str, revision: str | None = None, unet: str | None = None, variant: str | None = None) -> Place:
    """A folder, or a hub id, which is fetched unless it is in the cache; `unet` and `variant` choose what is.

    Raises UserError for what is neither, and for a repository that cannot be had.
    """
    folder = Path(name)
    if folder.is_dir():
        if revision:
            raise UserError(f"{name} is a folder, which has no revisions. Leave out the revision {revision}.")
        return Place(name, folder)
    match = HUB_ID.fullmatch(name)
    if match is None or folder.exists():
        found = f"{name} is a file." if folder.exists() else f"There is no model folder {name}."
        raise UserError(
            f"{found}\nExpected a folder with unet/ and scheduler/, as save_pretrained writes, or a hub id such as "
            "google/ddpm-celebahq-256, with @revision behind it for a pinned one."
        )
    if revision and match["revision"] not in (None, revision):
        raise UserError(f"{name} and revision {revision} do not agree. Give one of them.")
    return _fetched(match["id"], revision or match["revision"], unet, variant)


def _fetched(name: str, revision: str | None, unet: str | None, variant: str | None) -> Place:
    """A hub repository's networks and scheduler, and nothing else of it."""
    try:
        if (listed := _listed(name, revision)) is None:
            folder = snapshot_download(name, revision=revision, local_files_only=True)
        else:
            wanted = sorted(_wanted(listed, name, unet, variant))
            folder = snapshot_download(name, revision=revision, allow_patterns=wanted)
    except UserError:
        raise
    except Exception as error:  # the hub's client raises a dozen kinds; all mean that the model cannot be had
        asked = f"{name} at revision {revision}" if revision else name
        offline = ", and HF_HUB_OFFLINE, which keeps to the cache of this machine," if constants.HF_HUB_OFFLINE else ""
        raise UserError(
            f"{asked} is no folder here, and the hub did not give it: {type(error).__name__}.\n"
            f"Check the name and the network{offline} or give the path of a folder with unet/ and scheduler/."
        ) from error
    return Place(name, Path(folder), Path(folder).name)  # the cache keeps a commit in a folder of its name


def _listed(name: str, revision: str | None) -> list[str] | None:
    """The files of a repository, or None where the hub cannot be asked and only the cache is left."""
    try:
        return list_repo_files(name, revision=revision)
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except Exception:  # no network, in whichever way
        return None


def _wanted(listed: Iterable[str], name: str, unet: str | None, variant: str | None) -> set[str]:
    """The files among a repository's that are read: configurations, and one set of weights a network."""
    folders = _by_folder(listed)
    of_unets = [each for each in sorted(folders) if "unet" in each and "config.json" in folders[each]] or ["."]
    chosen = which_unet([unet] if unet in folders else of_unets, name, unet)
    wanted = {_path(chosen, file) for file in weights.names(folders.get(chosen, ()), name, variant)}
    for each in _AUTOENCODERS:
        wanted |= {_path(each, file) for file in weights.names(folders.get(each, ()), name, variant, preferred=True)}
    configurations = {_path(each, "config.json") for each in (chosen, *_AUTOENCODERS)}
    return wanted | (configurations | set(_SMALL)) & set(listed)


def _by_folder(listed: Iterable[str]) -> dict[str, set[str]]:
    """The names of the files at the top (".") and in each folder right below it."""
    folders: dict[str, set[str]] = {}
    for path in listed:
        folder, _, file = path.rpartition("/")
        folders.setdefault(folder or ".", set()).add(file)
    return folders


def _path(folder: str, file: str) -> str:
    return file if folder == "." else f"{folder}/{file}"
