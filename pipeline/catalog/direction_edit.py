"""DirectionEdit: an edit as a value that travels as JSON: which catalog, which directions, how far, and when."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from pipeline.errors import UserError
from schemas.samplers import Sampler

if TYPE_CHECKING:
    from pipeline.catalog.direction_catalog import DirectionCatalog

Strengths = Mapping[str, float | Sequence[float]]  # by direction or attribute; several are one a sample


class DirectionEdit(BaseModel):
    """Directions of one catalog and their strengths. `of` makes one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1, 2] = 2  # 1 has no `sampler`
    catalog: str = Field(
        description="where the catalog lay: a folder, owner/name[@revision] of the hub, or s3://bucket/folder"
    )
    catalog_sha256: str = Field(description="of its SHA256SUMS, and so of all that is in it")
    weights_sha256: str = Field(description="of the weights of the U-Net that its directions are of")
    strengths: dict[str, FiniteFloat | tuple[FiniteFloat, ...]] = Field(
        description="by the name of the direction; several are one a sample"
    )
    calibrated: bool = Field(
        default=True,
        description="whether strengths are in standard deviations of each direction's target; if not, they multiply the vector",
    )
    sampler: Sampler | None = Field(
        default=None,
        description="the kind of sampler that standard deviations are of, deterministic or stochastic; null asks the scheduler",
    )
    timesteps: tuple[float, float] | None = Field(
        default=None, description="the lowest and the highest timestep at which h is edited, both included; null is all"
    )
    only_conditional: bool = Field(
        default=False, description="whether under guidance only the half of the batch with the condition is edited"
    )
    guided: bool | None = Field(
        default=None,
        description="whether each batch is samples without their condition, then the same with it; null asks the pipeline",
    )

    @classmethod
    def of(cls, catalog: "DirectionCatalog", strengths: Strengths, **how: Any) -> "DirectionEdit":
        """Return the edit by these directions of a catalog; `how` are the fields above, from `calibrated` on.

        Raises UserError for a direction that the catalog has not, and for what is no strength.
        """
        found = {catalog[name].name: _plain(value) for name, value in strengths.items()}
        if len(found) < len(strengths):
            raise UserError(f"Of {', '.join(map(repr, strengths))} two name one direction. Leave one of them out.")
        return _validated(
            {
                "catalog": catalog.address,
                "catalog_sha256": catalog.sha256,
                "weights_sha256": catalog.about.model.weights_sha256,
                "strengths": found,
                **how,
            }
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> "DirectionEdit":
        """Return the edit that `to_json` wrote. Raises UserError for what is none."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise _wrong(error) from error

    def to_json(self) -> str:
        """Return it as JSON."""
        return self.model_dump_json(indent=2)

    def open(self) -> "DirectionCatalog":
        """Open its catalog where that lay. Raises UserError where there is none, or another one."""
        from pipeline.catalog.direction_catalog import DirectionCatalog

        if not self.catalog:
            raise UserError(
                "The catalog of this edit has no address: it was not read from one. Open it yourself, and edit with it."
            )
        catalog = DirectionCatalog.from_pretrained(self.catalog)
        if catalog.sha256 != self.catalog_sha256:
            raise UserError(
                f"The catalog at {self.catalog} is not the one that this edit was made with: its SHA256SUMS has the hash "
                f"{catalog.sha256[:12]}, and not {self.catalog_sha256[:12]}.\nOpen it yourself, and allow 'catalog', if it will do."
            )
        return catalog


def _plain(value: Any) -> Any:
    """A strength as numbers of Python, from those of numpy and torch, too."""
    found = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    return found.tolist() if found.ndim < 2 else value


def _validated(fields: dict[str, Any]) -> DirectionEdit:
    try:
        return DirectionEdit.model_validate(fields)
    except ValidationError as error:
        raise _wrong(error) from error


def _wrong(error: ValidationError) -> UserError:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    known = ", ".join(name for name in DirectionEdit.model_fields)
    return UserError(
        f"This is no edit: {where or 'it'}: {first['msg']}.\nExpected finite numbers as strengths, and no more than {known}."
    )
