"""Where a model lies: in a folder, or in a repository of the hub, at a commit.

`owner/name@revision` pins a repository to a commit, tag or branch. What is in the local cache is not fetched again, and with
HF_HUB_OFFLINE=1 nothing is.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants, snapshot_download

from pipeline.errors import UserError
from pipeline.models import checkpoint

_NETWORKS = ("", "unet/", "vqvae/", "vae/")
_FETCHED = [
    "model_index.json",
    "condition.safetensors",
    "scheduler_config.json",
    "scheduler/scheduler_config.json",
    *(f"{folder}{name}" for folder in _NETWORKS for name in checkpoint.FILES),
]

HUB_ID = re.compile(r"(?P<id>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>.+))?")


@dataclass(frozen=True)
class Place:
    """A model's folder on this machine, and the commit if it came from the hub."""

    name: str  # folder or hub id, as the user gave it, without the revision
    folder: Path
    revision: str | None = None


def locate(name: str, revision: str | None = None) -> Place:
    """A folder, or a hub id, which is fetched unless it is in the cache.

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
    return _fetched(match["id"], revision or match["revision"])


def _fetched(name: str, revision: str | None) -> Place:
    """A hub repository's networks and scheduler, and nothing else of it."""
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=_FETCHED))
    except Exception as error:  # the hub's client raises a dozen kinds; all mean that the model cannot be had
        asked = f"{name} at revision {revision}" if revision else name
        offline = ", and HF_HUB_OFFLINE, which keeps to the cache of this machine," if constants.HF_HUB_OFFLINE else ""
        raise UserError(
            f"{asked} is no folder here, and the hub did not give it: {type(error).__name__}.\n"
            f"Check the name and the network{offline} or give the path of a folder with unet/ and scheduler/."
        ) from error
    return Place(name, folder, folder.name)  # the cache keeps a commit in a folder of its name
