"""Upload of an exported folder to the Hugging Face hub."""

import warnings
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from pipeline.catalog.export.folder import MARK
from pipeline.errors import UserError
from pipeline.formats.hub import HUB_ID


def is_repository(name: str) -> bool:
    """Whether this can be the name of a repository: OWNER/NAME, without a revision."""
    match = HUB_ID.fullmatch(name)
    return bool(match) and match["revision"] is None  # type: ignore[index]


def check_repository(name: str) -> None:
    """Raise UserError unless this can be the name of a repository."""
    if not is_repository(name):
        raise UserError(f"{name} is no repository of the hub; expected OWNER/NAME.")


def push(folder: Path, repository: str, private: bool = False, endpoint: str | None = None) -> str:
    """Make a repository unless it is there, upload a folder as one commit, and return the address of the commit.

    The token is the one that `huggingface_hub` finds: HF_TOKEN, or that of a login. endpoint: of another hub than HF_ENDPOINT.

    Raises UserError where the hub refuses, or does not answer; then nothing of the folder is in the repository.
    """
    check_repository(repository)
    api = HfApi(endpoint=endpoint)
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*commit a data file")  # tables belong to a catalog
            commit = api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                ignore_patterns=[MARK],
                commit_message="Publish a catalog of directions",
            )
    except LocalTokenNotFoundError as error:
        raise UserError("The hub wants a token: set HF_TOKEN to one that may write, or run `hf auth login`.") from error
    except Exception as error:  # the hub's client raises a dozen kinds; all mean that it did not take the folder
        raise UserError(
            f"{repository} could not be uploaded to {api.endpoint} ({_why(error)}).\n"
            "Check the name, the network, and that the token in HF_TOKEN may write there, then upload the folder again."
        ) from error
    return commit.commit_url


def _why(error: Exception) -> str:
    if isinstance(error, HfHubHTTPError):
        return f"HTTP {error.response.status_code}" + (f": {error.server_message}" if error.server_message else "")
    return f"{type(error).__name__}: {error}".splitlines()[0]
