"""DirectionCatalog: a published catalog, read from where it lies. It needs nothing of the pipeline that made it.

catalog = DirectionCatalog.from_pretrained("runs/churches/catalog")
tower = catalog["tower"]  # the direction to use of an attribute
with catalog.edit(pipe, {"tower": 1.5, "snow": -1.0}):  # in standard deviations
    images = pipe(batch_size=4).images
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import ValidationError

from pipeline.catalog import stored
from pipeline.catalog.direction import Direction
from pipeline.catalog.place import CatalogFolder, CatalogPlace, place
from pipeline.catalog.recommended import recommended
from pipeline.catalog.verified import SUMS, VerifiedFiles
from pipeline.errors import UserError
from schemas.catalog import Catalog
from schemas.samplers import Sampler, sampler_of

if TYPE_CHECKING:
    from pipeline.catalog.direction_edit import DirectionEdit, Strengths
    from pipeline.catalog.editing import Editing

VECTORS = "directions.safetensors"


@dataclass(frozen=True)
class DirectionCatalog:
    """A catalog's directions by name, and its files, each read when it is asked for."""

    read: Callable[[str], bytes]  # a file by its name
    files: frozenset[str]
    path: Callable[[str], Path] | None = None  # where a file lies on this machine; None reads it into memory
    address: str = ""  # where it was read from

    @classmethod
    def from_pretrained(cls, address: str | Path) -> "DirectionCatalog":
        """Open a catalog: a folder, `owner/name[@revision]` of the model hub, or `s3://bucket/folder`.

        SHA256SUMS is read first, and every file checked against it as it is read. Raises UserError where there is no catalog, or a
        file is missing or damaged; the last when it is read.
        """
        return cls._of(place(address))

    @classmethod
    def open(cls, folder: str | Path) -> "DirectionCatalog":
        """Open a catalog's folder, as `from_pretrained` does."""
        return cls._of(CatalogFolder(Path(folder)))

    @classmethod
    def _of(cls, found: CatalogPlace) -> "DirectionCatalog":
        files = VerifiedFiles.of(found)
        return cls(files.read, frozenset(files.expected), files.path, found.address)

    @cached_property
    def about(self) -> Catalog:
        """catalog.json: the model, the sampling, the directions, and how they were measured.

        Raises UserError for that of another release.
        """
        try:
            return Catalog.model_validate_json(self.read("catalog.json"))
        except ValidationError as error:
            versions = " or ".join(map(str, get_args(Catalog.model_fields["schema_version"].annotation)))
            raise UserError(
                f"catalog.json is damaged, or of another release: expected version {versions} ({error.errors()[0]['msg']}).\n"
                "Publish the catalog again, or read it with the release that made it."
            ) from error

    @cached_property
    def sha256(self) -> str:
        """The hash of SHA256SUMS, and so of every file."""
        return hashlib.sha256(self.read(SUMS)).hexdigest()

    # Directions

    @cached_property
    def directions(self) -> dict[str, Direction]:
        """Every direction by its name."""
        return {each.name: Direction(each, self) for each in self.about.directions}

    @cached_property
    def recommended(self) -> dict[str, str]:
        """The name of the direction to use of each attribute; `about.recommended_by` has the rule."""
        return self.about.recommended if self.about.recommended_by else recommended(self)

    def __getitem__(self, name: str) -> Direction:
        """The direction of that name, or of an attribute the one to use. Raises UserError for neither, with names that are near."""
        found = self.directions.get(name) or self.directions.get(self.recommended.get(name, ""))
        if found is None:
            raise self._unknown(name)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self.directions or name in self.recommended

    def __iter__(self) -> Iterator[str]:
        return iter(self.directions)

    def __len__(self) -> int:
        return len(self.directions)

    def search(
        self,
        attribute: str | None = None,
        method: str | None = None,
        min_effect: float | None = None,
        max_off_target: float | None = None,
    ) -> list[Direction]:
        """Return the directions that are so, the largest effect first.

        attribute: what they move, meant to or not. min_effect, max_off_target: in standard deviations, of profiles.parquet: at the
        farthest strength at which images still are the model's own, the effect on that attribute and the largest on any other. A
        direction that was not measured has neither. Raises UserError for an attribute or a method that no direction is of.
        """
        every = list(self.directions.values())
        self._check_known("attribute", attribute, {each.about.target or each.attribute for each in every})
        self._check_known("method", method, {each.method for each in every})
        found = [
            each
            for each in every
            if attribute in (None, each.attribute, each.about.target)
            and method in (None, each.method)
            and (min_effect is None or _number(each, "on_target", -np.inf) >= min_effect)
            and (max_off_target is None or _number(each, "off_target", np.inf) <= max_off_target)
        ]
        return sorted(found, key=lambda each: -_number(each, "on_target", -np.inf))

    def to_pandas(self) -> pd.DataFrame:
        """Return a row a direction, by its name: how it was made, what it was measured to do, and whether it is the one to use."""
        made, does = (
            self.table("directions.parquet").set_index("name"),
            self.table("profiles.parquet").set_index("direction"),
        )
        table = made.join(does[[name for name in does if name not in made]])
        return table.assign(recommended=table.index.isin(list(self.recommended.values())))

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows of directions.parquet by name."""
        return {row["name"]: row for row in self.arrow("directions.parquet").to_pylist()}

    @cached_property
    def profiles(self) -> dict[str, dict[str, Any]]:
        """The rows of profiles.parquet by direction."""
        return {row["direction"]: row for row in self.arrow("profiles.parquet").to_pylist()}

    @property
    def sampler(self) -> Sampler:
        """The kind of sampler that the catalog was made with: deterministic where its eta is 0."""
        return sampler_of(self.about.sampling.eta)

    @cached_property
    def samplers(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The rows of samplers.parquet by direction and kind of sampler; empty where no other kind was measured."""
        if "samplers.parquet" not in self.files:
            return {}
        return {(row["direction"], row["sampler"]): row for row in self.arrow("samplers.parquet").to_pylist()}

    @cached_property
    def without_strength(self) -> frozenset[str]:
        """Directions that have no strength in their valid range among those that were measured, by best.parquet."""
        if "best.parquet" not in self.files:
            return frozenset()
        rows = self.arrow("best.parquet").to_pylist()
        return frozenset(row["direction"] for row in rows if row["strength_index"] is None)

    def stored_vector(self, key: str, shape: Sequence[int]) -> np.ndarray:
        """Return a vector by its key in directions.safetensors, float32 of that shape."""
        return stored.vector(self._vectors, key, shape)

    # Editing

    def edit(
        self, pipe: Any, strengths: "Strengths | DirectionEdit", *, allow: Collection[str] = (), **how: Any
    ) -> "Editing":
        """Return an edit of a pipeline of diffusers, or of a U-Net, that lasts for a `with` block.

        strengths: by direction or attribute, in standard deviations of its target, a number or one a sample; `how` is told by
        `DirectionEdit`. allow: what may differ from what the catalog is of, by the names in `pipeline.catalog.editing_checks`.
        Raises UserError where something else differs.
        """
        from pipeline.catalog.direction_edit import DirectionEdit
        from pipeline.catalog.editing import Editing

        wanted = strengths if isinstance(strengths, DirectionEdit) else DirectionEdit.of(self, strengths, **how)
        return Editing(self, pipe, wanted, frozenset(allow))

    def hook(
        self, unet: Any, strengths: "Strengths | DirectionEdit", *, allow: Collection[str] = (), **how: Any
    ) -> "Editing":
        """Edit a U-Net from now on, in a loop of one's own, until `remove()` of what this returns. As `edit` in all else."""
        return self.edit(unet, strengths, allow=allow, **how).attach()

    # Files

    def table(self, name: str) -> pd.DataFrame:
        """Return a table by the name of its file."""
        return self.arrow(name).to_pandas()

    def arrow(self, name: str) -> pa.Table:
        """Return a table by the name of its file, as pyarrow reads it."""
        return stored.table(self.read(name), name)

    def optional(self, name: str) -> pd.DataFrame | None:
        """Return a table that not every catalog has; None where this one does not."""
        return self.table(name) if name in self.files else None

    @cached_property
    def _vectors(self) -> Path | bytes:
        """Where the vectors lie, checked once."""
        return self.read(VECTORS) if self.path is None else self.path(VECTORS)

    def _unknown(self, name: str) -> UserError:
        known = [*self.recommended, *self.directions]
        near = get_close_matches(name, known, n=5) or [each for each in known if each.startswith(f"{name}/")][:5]
        said = f"Did you mean {', '.join(map(repr, near))}?" if near else f"It has {', '.join(map(repr, known[:20]))}."
        return UserError(
            f"The catalog has no direction {name!r}, and recommends none of an attribute of that name. {said}"
        )

    def _check_known(self, what: str, wanted: str | None, known: Collection[str | None]) -> None:
        names = sorted(filter(None, known))
        if wanted is not None and wanted not in names:
            near = get_close_matches(wanted, names, n=3) or names
            raise UserError(
                f"No direction of this catalog has the {what} {wanted!r}; there are {', '.join(map(repr, near))}."
            )


def _number(direction: Direction, column: str, otherwise: float) -> float:
    """A figure of its profile; what to take where it has none."""
    value = direction.profile.get(column)
    return otherwise if value is None or np.isnan(value) else float(value)
