"""The formats by name, each loaded when it is asked for: a module with a function `write(catalog, folder, ...)`."""

from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.export.folder import written
from pipeline.errors import UserError

FORMATS = {
    "explorer": "its pages, for a disk or any web server",
    "hub": "a repository for the Hugging Face hub",
    "safetensors": "a file a direction",
    "npz": "all vectors in one file of NumPy",
    "parquet": "vectors and figures in one table",
    "croissant": "the catalog's tables with their description in Croissant",
    "dataset": "the samples behind it with their scores and h, for datasets.load_dataset",
    "comfyui": "a node folder for ComfyUI",
}


def export(catalog: DirectionCatalog, to: str, out: Path, **options: Any) -> None:
    """Write a catalog as `out`, a folder, in a format of `FORMATS`: whole or not at all.

    options: those of the format's `write`. Raises UserError for a format that there is not, for what cannot be exported to it, and
    for a folder that is not an earlier export's.
    """
    if to not in FORMATS:
        raise UserError(f"{to!r} is no format of an export; expected one of {', '.join(FORMATS)}.")
    write = import_module(f"pipeline.catalog.export.{to}").write
    with written(out, to) as folder:
        write(catalog, folder, **options)
