"""One direction of a catalog: what it is, what it was measured to do, what is to be known of it, and its vector."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipeline.catalog.chosen import NONE_VALID
from pipeline.catalog.doubts import doubts as of_strength
from pipeline.catalog.doubts import in_sentences, of_template
from pipeline.errors import UserError
from schemas import catalog as schema
from schemas.samplers import Sampler

if TYPE_CHECKING:
    from pipeline.catalog.direction_catalog import DirectionCatalog


@dataclass(frozen=True)
class Direction:
    """A direction, whose vector is read when it is asked for. Shapes: T steps, step 0 the noisiest."""

    about: schema.Direction  # what catalog.json says of it
    catalog: "DirectionCatalog" = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.about.name

    @property
    def attribute(self) -> str | None:
        """What it is meant to change; None of an unsupervised direction."""
        return self.about.attribute

    @property
    def method(self) -> str:
        return self.about.method

    @property
    def points(self) -> tuple[str, ...]:
        """The capture points that it is added at, one or several at once."""
        return tuple(self.about.capture.split("+"))

    @property
    def strength_per_sd(self) -> float | None:
        """What its vector is multiplied by to move its target by one standard deviation; None where it cannot, or nobody knows."""
        return self.about.strength_per_sd

    def per_sd_by(self, sampler: Sampler) -> float | None:
        """The same by samplers of one kind; None where it cannot, or was not measured."""
        own = sampler == self.catalog.sampler
        found = self.strength_per_sd if own else self.measured_by(sampler).get("strength_per_sd")
        return None if found is None else float(found)

    def in_range_by(self, sampler: Sampler) -> bool | None:
        """Whether images at about it were not seen to leave the model's own, by samplers of one kind; None is not known."""
        if sampler == self.catalog.sampler:
            return self.about.strength_in_range
        return self.measured_by(sampler).get("strength_in_range")

    def measured_by(self, sampler: Sampler) -> Mapping[str, Any]:
        """The row of samplers.parquet that is of it and of a kind of samplers; empty where that was not measured."""
        return self.catalog.samplers.get((self.name, sampler), {})

    @property
    def vector(self) -> np.ndarray:
        """The vector, float32 (T, C, H, W) at most capture points. Raises UserError for one of several points at once."""
        if len(self.points) > 1:
            raise UserError(
                f"{self.name!r} is added at {len(self.points)} capture points at once: take its `vectors`, one each."
            )
        return self.vectors[self.points[0]]

    @cached_property
    def vectors(self) -> Mapping[str, np.ndarray]:
        """The vectors by capture point, each float32 (T, ...). Raises UserError for a file that is damaged."""
        steps, shapes = (
            self.catalog.about.sampling.steps,
            {each.point: each.shape for each in self.catalog.about.captures},
        )
        keys = {point: f"{self.name}@{point}" if len(self.points) > 1 else self.name for point in self.points}
        if missing := [point for point in self.points if point not in shapes]:
            raise UserError(
                f"catalog.json has no shape of h at {missing[0]!r}, where {self.name!r} is added. Copy the catalog again."
            )
        return {point: self.catalog.stored_vector(key, (steps, *shapes[point])) for point, key in keys.items()}

    @cached_property
    def effects(self) -> pd.DataFrame:
        """The rows of effects.parquet that are of it: what it changes at each strength, by each judge."""
        table = self.catalog.table("effects.parquet")
        return table[table["direction"] == self.name].reset_index(drop=True)

    @cached_property
    def profile(self) -> dict[str, Any]:
        """The row of profiles.parquet that is of it; empty where it was not measured."""
        return self.catalog.profiles.get(self.name, {})

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What a user of it should know, in sentences."""
        strength = self.about
        calibrated = strength.strength_per_sd is not None
        known = of_strength(strength.strength_in_range, strength.verified, strength.strength_by) if calibrated else []
        said = self.catalog.rows.get(self.name, {}).get("warnings") or ()
        none = [NONE_VALID] if self.name in self.catalog.without_strength else []
        return (*none, *said, *in_sentences([*known, *of_template(self.profile)]))
