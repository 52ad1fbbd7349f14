"""How far: what the vectors of an edit are multiplied by, so that a standard deviation is one by the sampler at hand.

A sampler is deterministic or stochastic, which changes how far a direction carries. A catalog has strengths per standard deviation
of its own kind, that of its eta, for every direction that was measured, and of the other kind for those that it recommends and for
what was measured with them (samplers.parquet). The kind is the scheduler's; of a U-Net in a loop, and of a scheduler that does not
show it, the catalog's own is taken.
"""

import warnings
from typing import Any

import torch
from torch import Tensor

from pipeline.catalog.direction import Direction
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.direction_edit import DirectionEdit
from pipeline.catalog.editing_samplers import kind_of
from pipeline.errors import UserError
from schemas.samplers import Sampler

BY_CALLER = 8  # frames between a warning and `catalog.edit`


def multipliers(catalog: DirectionCatalog, edit: DirectionEdit, scheduler: Any) -> dict[str, Tensor]:
    """Return what each vector is multiplied by, all (1,) or all (B,), by the name of its direction.

    Raises UserError where a direction has no strength per standard deviation, and for strengths of other numbers of samples. Warns
    where it was not measured, or does not move its target so far, by samplers of this kind, and where a standard
    deviation or more is asked for at which images were measured not to be the model's own.
    """
    found = {name: torch.tensor(value, dtype=torch.float32).view(-1) for name, value in edit.strengths.items()}
    if edit.calibrated:
        kind = edit.sampler or (None if scheduler is None else kind_of(scheduler)) or catalog.sampler
        found = {
            name: value * _per_sd(catalog[name], kind, catalog.sampler, bool((value.abs() >= 1).any()))
            for name, value in found.items()
        }
    counts = {len(value) for value in found.values()} - {1}
    if len(counts) > 1:
        raise UserError(
            f"Directions have strengths of {' and '.join(map(str, sorted(counts)))} samples: give as many of each."
        )
    return {name: value.expand(max(counts, default=1)) for name, value in found.items()}


def _per_sd(direction: Direction, kind: Sampler, own: Sampler, far: bool) -> float:
    """The strength per standard deviation by samplers of a kind; where there is none, the catalog's own.

    far: whether a standard deviation or more is asked for.
    """
    if (strength := direction.per_sd_by(kind)) is not None:
        if far and direction.in_range_by(kind) is False:
            warnings.warn(
                f"Images at about the strength per standard deviation of {direction.name!r}, {strength:.3g} by {kind} samplers, "
                "were measured not to be the model's own. Less of it changes less, and may leave them so.",
                stacklevel=BY_CALLER,
            )
        return strength
    if direction.strength_per_sd is None:
        raise UserError(
            f"{direction.name!r} has no strength per standard deviation: what was measured of it does not go that far.\n"
            "Give strengths of the vector itself, with calibrated=False; effects.parquet has what they do."
        )
    measured, known = direction.measured_by(kind), f"was measured by {own} samplers, and this one is {kind}"
    if measured.get("effect") is not None:
        known = (
            f"is that of {own} samplers: by {kind} ones its target was not seen to move so far "
            f"({measured['effect']:+.2f} at {measured['strength']:+.3g})"
        )
    warnings.warn(
        f"The strength per standard deviation of {direction.name!r}, {direction.strength_per_sd:.3g}, {known}. "
        f"It is taken all the same: say sampler={own!r} to be told no more.",
        stacklevel=BY_CALLER,
    )
    return direction.strength_per_sd
