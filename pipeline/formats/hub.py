"""Where the files of a network lie: in a folder, or in a repository of the model hub, at a commit.

`owner/name@revision` pins a repository to a commit, tag or branch. Only those of its files are fetched that will be read. What is
in the local cache is not fetched again, and with HF_HUB_OFFLINE=1 nothing is.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants, list_repo_files, snapshot_download
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from pipeline.errors import UserError

HUB_ID = re.compile(r"(?P<id>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>.+))?")


@dataclass(frozen=True)
class Place:
    """A folder on this machine, and the commit if it came from the hub."""

    name: str  # folder or hub id, as the user gave it, without the revision
    folder: Path
    revision: str | None = None


@dataclass(frozen=True)
class Sought:
    """What is looked for: in words, for errors, and as a choice among the files of a repository."""

    what: str  # "model"
    holds: str  # what its folder has in it
    example: str  # a hub id
    wanted: Callable[[list[str]], Iterable[str]]  # which of a repository's files are fetched


def locate(name: str, sought: Sought, revision: str | None = None) -> Place:
    """A folder, or a hub id, which is fetched unless it is in the cache.

    Raises UserError for what is neither, and for a repository that cannot be had.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if revision:
            raise UserError(f"{name} is a folder, which has no revisions. Leave out the revision {revision}.")
        return Place(name, folder)
    match = HUB_ID.fullmatch(name)
    if match is None or folder.exists():
        found = f"{name} is a file." if folder.exists() else f"There is no {sought.what} folder {name}."
        raise UserError(
            f"{found}\nExpected a folder with {sought.holds}, or a hub id such as {sought.example}, "
            "with @revision behind it for a pinned one."
        )
    if revision and match["revision"] not in (None, revision):
        raise UserError(f"{name} and revision {revision} do not agree. Give one of them.")
    return _fetched(match["id"], sought, revision or match["revision"])


def _fetched(name: str, sought: Sought, revision: str | None) -> Place:
    """What is wanted of a hub repository, and nothing else of it."""
    try:
        if (listed := _listed(name, revision)) is None:
            folder = snapshot_download(name, revision=revision, local_files_only=True)
        else:
            folder = snapshot_download(name, revision=revision, allow_patterns=sorted(sought.wanted(listed)))
    except UserError:
        raise
    except Exception as error:  # the hub's client raises a dozen kinds; all mean that the files cannot be had
        asked = f"{name} at revision {revision}" if revision else name
        offline = ", and HF_HUB_OFFLINE, which keeps to the cache of this machine," if constants.HF_HUB_OFFLINE else ""
        raise UserError(
            f"{asked} is no folder here, and the hub did not give it: {type(error).__name__}.\n"
            f"Check the name and the network{offline} or give the path of a folder with {sought.holds}."
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
