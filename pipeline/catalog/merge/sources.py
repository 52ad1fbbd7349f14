"""The catalogs that are merged: what each is called, and whether they are of one thing."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from pipeline.catalog.direction_catalog import SUMS, DirectionCatalog
from pipeline.errors import UserError
from schemas.catalog import Catalog

OF_THE_MODEL = ("weights_sha256", "unet", "scheduler", "autoencoder_sha256", "condition_sha256", "class_label")
OF_SAMPLING = ("steps", "timesteps", "eta", "clip", "dtype")  # how a direction is meant to be applied


@dataclass(frozen=True)
class MergeSource:
    """A catalog that goes into a merge."""

    name: str
    folder: Path
    catalog: DirectionCatalog

    @property
    def about(self) -> Catalog:
        return self.catalog.about

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of directions.parquet."""
        return self.catalog.arrow("directions.parquet").to_pylist()

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of directions.safetensors by their keys. Raises UserError for a file that is none."""
        try:
            return load(self.catalog.read("directions.safetensors"))
        except SafetensorError as error:
            raise UserError(
                f"{self.folder}/directions.safetensors cannot be read ({error}). Copy the catalog again."
            ) from error

    @cached_property
    def sha256sums(self) -> str:
        """The hash of the hashes of all its files."""
        return hashlib.sha256((self.folder / SUMS).read_bytes()).hexdigest()

    def keys(self, row: Mapping[str, Any]) -> dict[str, str]:
        """The keys of a direction's arrays by what follows its name: nothing, or of several capture points @ and each."""
        points = row["capture"].split("+")
        endings = [""] if len(points) == 1 else [f"@{point}" for point in points]
        return {ending: f"{row['name']}{ending}" for ending in endings}


def opened(folders: Sequence[str | Path]) -> list[MergeSource]:
    """Open catalogs of one model, each by a name of its own.

    Raises UserError for fewer than two, for what is no catalog, and for such as are not of one model and one way of sampling.
    """
    if len(folders) < 2:
        raise UserError(
            f"There is nothing to merge: found {len(folders)} catalog, expected two or more. Name their folders."
        )
    paths = [Path(folder) for folder in folders]
    sources = [
        MergeSource(name, path, DirectionCatalog.open(path)) for name, path in zip(names_of(paths), paths, strict=True)
    ]
    for other in sources[1:]:
        if differs := list(differences(sources[0], other)):
            raise UserError(
                f"{other.folder} is of another model than {sources[0].folder}, or is applied in another way: they differ in "
                + "; ".join(differs)
                + ".\nMerge catalogs of one model, with the same steps and capture points alone."
            )
    return sources


def names_of(folders: Sequence[Path]) -> list[str]:
    """Name catalogs by their folders; where those are called alike, by the folders above; where all are alike, by their numbers."""
    above = [folder.absolute().parts[::-1] for folder in folders]
    for depth in range(min(map(len, above)) - 1):
        names = [parts[depth] for parts in above]
        if len(set(names)) == len(names):
            return names
    return [str(i) for i in range(1, len(folders) + 1)]


def differences(one: MergeSource, other: MergeSource) -> Iterator[str]:
    """Yield what keeps two catalogs from being one, in words."""
    for what, names in (("model", OF_THE_MODEL), ("sampling", OF_SAMPLING)):
        a, b = (getattr(source.about, what) for source in (one, other))
        for name in names:
            found, expected = getattr(b, name), getattr(a, name)
            if not _same(expected, found):
                yield f"{what}.{name} ({_told(expected)} and {_told(found)})"
    shapes = {each.point: each.shape for each in one.about.captures}
    for each in other.about.captures:
        if shapes.get(each.point, each.shape) != each.shape:
            yield f"the shape of h at {each.point} ({shapes[each.point]} and {each.shape})"


def _same(a: Any, b: Any) -> bool:
    """Whether two settings are the same; of configurations, in all that both releases of diffusers wrote."""
    if isinstance(a, dict) and isinstance(b, dict):
        return all(a[key] == b[key] for key in a.keys() & b.keys() if not key.startswith("_") or key == "_class_name")
    return bool(a == b)


def _told(value: Any) -> str:
    """A setting, shortly."""
    text = "a configuration" if isinstance(value, dict) else str(value)
    return text if len(text) <= 24 else f"{text[:16]}…"
