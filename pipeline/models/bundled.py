"""The models that come with this project, by the names that a person calls them by."""

from importlib import import_module
from pathlib import Path

from pipeline.errors import UserError

BUNDLED = {"portraits": "pipeline.domains.portraits", "digits": "pipeline.domains.digits"}  # whose MODEL is the folder


def bundled(name: str) -> Path | None:
    """Return the folder of a bundled model; None where none is called so.

    Raises UserError where a folder is called so, too.
    """
    if name not in BUNDLED:
        return None
    if Path(name).exists():
        raise UserError(
            f"{name} is a model that comes with this project, and a folder here: write ./{name} for the folder."
        )
    return Path(import_module(BUNDLED[name]).MODEL)
