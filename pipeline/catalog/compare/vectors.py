"""The vectors of a catalog, and how alike those of two catalogs are, where they lie in the same space.

Shapes: T steps, D numbers of h of one step, at all capture points of a direction.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.errors import UserError

NOT_THE_ARCHITECTURE = ("_diffusers_version", "_name_or_path", "_use_default_values")  # of a U-Net's configuration


@dataclass(frozen=True)
class Cosines:
    """How alike two directions are: over all timesteps that both have, and at each."""

    over_all: float
    timesteps: tuple[int, ...]
    by_timestep: tuple[float, ...]


@dataclass(frozen=True)
class Vectors:
    """A catalog's directions as arrays."""

    catalog: DirectionCatalog

    def of(self, name: str, capture: str) -> np.ndarray:
        """Return a direction as (T, D): of several capture points at once, one after another.

        Raises UserError where the file lacks it.
        """
        points = capture.split("+")
        keys = [name] if len(points) == 1 else [f"{name}@{point}" for point in points]
        if missing := [key for key in keys if key not in self._arrays]:
            raise UserError(
                f"directions.safetensors has no vector {missing[0]!r}, which catalog.json names. Publish the catalog again."
            )
        return np.concatenate([self._arrays[key].reshape(len(self._arrays[key]), -1) for key in keys], axis=1)

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        try:
            return load(self.catalog.read("directions.safetensors"))
        except SafetensorError as error:
            raise UserError(f"directions.safetensors cannot be read ({error}). Copy the catalog again.") from error


def why_incomparable(a: DirectionCatalog, b: DirectionCatalog, capture: str) -> str | None:
    """Return why vectors at a capture point do not lie in one space; None where they do: one architecture, shape and timesteps."""
    if architecture(a) != architecture(b):
        return "the U-Nets are built differently"
    shapes = [{each.point: each.shape for each in catalog.about.captures} for catalog in (a, b)]
    for point in capture.split("+"):
        one, other = (known.get(point) for known in shapes)
        if one != other:
            return f"h at {point} is {one} in the first and {other} in the second"
    if not set(a.about.sampling.timesteps) & set(b.about.sampling.timesteps):
        return "they have no timestep in common"
    return None


def architecture(catalog: DirectionCatalog) -> dict[str, Any]:
    """The configuration of a catalog's U-Net, without what says nothing of how it is built."""
    return {key: value for key, value in catalog.about.model.unet.items() if key not in NOT_THE_ARCHITECTURE}


@dataclass(frozen=True)
class SharedSteps:
    """The steps of two catalogs that are at the same timesteps."""

    a: list[int]
    b: list[int]
    timesteps: tuple[int, ...]

    @classmethod
    def of(cls, a: DirectionCatalog, b: DirectionCatalog) -> "SharedSteps":
        one, other = a.about.sampling.timesteps, b.about.sampling.timesteps
        places = {timestep: step for step, timestep in enumerate(other)}
        shared = [(step, places[timestep], timestep) for step, timestep in enumerate(one) if timestep in places]
        return cls([i for i, _, _ in shared], [j for _, j, _ in shared], tuple(timestep for _, _, timestep in shared))


def cosines(a: np.ndarray, b: np.ndarray, timesteps: tuple[int, ...]) -> Cosines:
    """Return how alike two directions (T, D) are at these T timesteps. Where either is zero the cosine is 0."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    products = (a * b).sum(axis=1)
    squares = (a**2).sum(axis=1), (b**2).sum(axis=1)
    by_step = _quotient(products, np.sqrt(squares[0] * squares[1]))
    over_all = _quotient(products.sum(), np.sqrt(squares[0].sum() * squares[1].sum()))
    return Cosines(float(over_all), timesteps, tuple(by_step.tolist()))


def _quotient(products: np.ndarray, norms: np.ndarray) -> np.ndarray:
    return np.clip(np.divide(products, norms, out=np.zeros_like(np.asarray(products)), where=norms > 0), -1, 1)
