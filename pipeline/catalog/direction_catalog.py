"""DirectionCatalog: a published catalog, read from its folder. It needs nothing of the pipeline that made it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from pipeline.errors import UserError
from schemas.catalog import Catalog

SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class DirectionCatalog:
    """A catalog's files, each read when it is asked for."""

    read: Callable[[str], bytes]  # a file by its name
    files: frozenset[str]

    @classmethod
    def open(cls, folder: str | Path) -> "DirectionCatalog":
        """Open a catalog's folder. Every file is checked against SHA256SUMS as it is read.

        Raises UserError where there is no catalog, or a file is missing or damaged; the last when it is read.
        """
        folder = Path(folder)
        try:
            lines = (folder / SUMS).read_text().splitlines()
            expected = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
            if outside := [name for name in expected if not _is_inside(name)]:
                raise ValueError(f"it lists {outside[0]!r}, which lies elsewhere")
        except (OSError, ValueError) as error:
            raise UserError(
                f"{folder} is no catalog: it has no {SUMS} that can be read ({error}).\n"
                "Give the folder that holds catalog.json, as a job prints it."
            ) from error

        def read(name: str) -> bytes:
            try:
                content = (folder / name).read_bytes()
            except OSError as error:
                raise UserError(
                    f"{folder / name} cannot be read ({error.strerror}). Copy the catalog again."
                ) from error
            if hashlib.sha256(content).hexdigest() != expected.get(name):
                raise UserError(f"{folder / name} has changed since it was published. Copy the catalog again.")
            return content

        return cls(read, frozenset(expected))

    @cached_property
    def about(self) -> Catalog:
        """catalog.json: the model, the sampling, the directions, and how they were measured.

        Raises UserError for that of another release.
        """
        try:
            return Catalog.model_validate_json(self.read("catalog.json"))
        except ValidationError as error:
            version = Catalog.model_fields["schema_version"].default
            raise UserError(
                f"catalog.json is damaged, or of another release: expected version {version} ({error.errors()[0]['msg']}).\n"
                "Publish the catalog again, or read it with the release that made it."
            ) from error

    def table(self, name: str) -> pd.DataFrame:
        """Return a table by the name of its file."""
        return self.arrow(name).to_pandas()

    def arrow(self, name: str) -> pa.Table:
        """Return a table by the name of its file, as pyarrow reads it."""
        return pq.read_table(pa.BufferReader(self.read(name)))

    def optional(self, name: str) -> pd.DataFrame | None:
        """Return a table that not every catalog has; None where this one does not."""
        return self.table(name) if name in self.files else None


def _is_inside(name: str) -> bool:
    """Whether a file of this name lies in the folder of its catalog."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name
