"""The models that come with this project, by the names that a person calls them by."""

from functools import cache
from importlib import import_module
from pathlib import Path

from pipeline.errors import UserError
from pipeline.formats.hashes import sha256

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
    return folder_of(name)


def folder_of(name: str) -> Path:
    """Return where a bundled model lies, whatever else is called so."""
    module, folder = BUNDLED[name]
    return Path(getattr(import_module(module), folder))


def weights_of(name: str) -> str:
    """Return the SHA-256 of a bundled model's weights."""
    return _weights_in(folder_of(name))


@cache
def _weights_in(folder: Path) -> str:
    return sha256(folder / "unet" / "diffusion_pytorch_model.safetensors")
