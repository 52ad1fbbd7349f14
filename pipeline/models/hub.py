"""Where a model lies, and which files of its repository are read.

Of its networks only the weights are fetched that will be read, pickles where there is nothing better.
"""

from collections.abc import Iterable
from functools import partial

from pipeline.formats import hub
from pipeline.formats.hub import Place, Sought
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

HOLDS = "unet/ and scheduler/, as save_pretrained writes"
EXAMPLE = "google/ddpm-celebahq-256"


def locate(name: str, revision: str | None = None, unet: str | None = None, variant: str | None = None) -> Place:
    """A folder, or a hub id, which is fetched unless it is in the cache; `unet` and `variant` choose what is.

    Raises UserError for what is neither, and for a repository that cannot be had.
    """
    repository = name.partition("@")[0]
    wanted = partial(_wanted, name=repository, unet=unet, variant=variant)
    return hub.locate(name, Sought("model", HOLDS, EXAMPLE, wanted), revision)


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
