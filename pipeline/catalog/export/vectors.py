"""The vectors of a catalog, and what is to be known of each to apply it."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.errors import UserError
from schemas.catalog import Catalog, Direction

VECTORS = "directions.safetensors"


@dataclass(frozen=True, eq=False)
class Vector:
    """What a direction adds at one capture point; a direction at several points at once has a vector for each."""

    direction: Direction
    point: str
    values: np.ndarray  # float32 (T, *shape of h at the point)


def vectors(catalog: DirectionCatalog) -> list[Vector]:
    """Return every vector, in the order of catalog.json.

    Raises UserError where a vector is missing, is of another shape than catalog.json says, or is not finite float32.
    """
    about, content = catalog.about, catalog.read(VECTORS)
    try:
        arrays = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{VECTORS} is not what its name says ({error}). Publish the catalog again.") from error
    shapes = {each.point: tuple(each.shape) for each in about.captures}
    found = []
    for direction in about.directions:
        points = direction.capture.split("+")
        for point in points:
            key = direction.name if len(points) == 1 else f"{direction.name}@{point}"
            values = arrays.get(key)
            if why := _fault(values, (about.sampling.steps, *shapes.get(point, ()))):
                raise UserError(f"{VECTORS} and catalog.json do not fit: of {key!r} {why}. Publish the catalog again.")
            found.append(Vector(direction, point, np.asarray(values)))
    return found


def facts(about: Catalog, direction: Direction) -> dict[str, Any]:
    """What a direction is, whose model it belongs to, and how it is applied: as JSON."""
    return {
        **direction.model_dump(),
        "model": about.model.name,
        "model_revision": about.model.revision,
        "weights_sha256": about.model.weights_sha256,
        "timesteps": about.sampling.timesteps,
        "eta": about.sampling.eta,
        "apply": "at the step of each timestep add strength * strength_per_sd * vector[step] to h at its capture point",
    }


def _fault(values: np.ndarray | None, shape: tuple[int, ...]) -> str | None:
    """What is wrong with a vector; None where nothing is."""
    if values is None:
        return "there is no vector"
    if values.dtype != np.float32 or values.shape != shape or not prod(shape):
        return f"the vector is {values.dtype} {list(values.shape)}, where float32 {list(shape)} is expected"
    return None if np.isfinite(values).all() else "the vector is not finite"
