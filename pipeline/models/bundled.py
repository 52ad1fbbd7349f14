"""The models that come with this project, by the names that a person calls them by."""

from importlib import import_module
from pathlib import Path

from pipeline.errors import UserError

BUNDLED = {  # where each says which folder it is
    "portraits": ("pipeline.domains.portraits", "MODEL"),
    "portraits-open-skips": ("pipeline.domains.portraits", "OPEN_SKIPS"),
    "digits": ("pipeline.domains.digits", "MODEL"),
}


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
    module, folder = BUNDLED[name]
    return Path(getattr(import_module(module), folder))
