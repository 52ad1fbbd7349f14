"""Planted catalogs in which no direction does more than a random one of its norm. Imported by name.

Effects of a direction are drawn as those of the random directions are, and grow with the norm of its offset; beside them stands
what any offset does, whichever way it points, and each sample answers in its own way. Several catalogs are drawn at once, as what
so many judges say of the same directions, none of whom knows of the others.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.metrics.effects import effects
from pipeline.metrics.intervals import unit_error
from pipeline.metrics.significance import beside_control

ATTRIBUTES = tuple(f"attribute-{i}" for i in range(7))
DIRECTIONS, SAMPLES = 25, 14
STRENGTHS, CONTROL_STRENGTHS = (-1.0, 1.0), (-1.0, 0.5, 1.0)
CONTROLS = (0.5,) * 4 + (1.0,) * 2  # norms of the random directions
UNEDITED = 400  # samples that the unit is told by


@dataclass(frozen=True)
class NullCatalogs:
    """Effects of schemas.effects by several judges, each a catalog, beside the effects that were planted."""

    effects: pd.DataFrame  # with `planted`, in true units

    @property
    def of_directions(self) -> pd.DataFrame:
        return self.effects[~self.effects["control"]]


def null_catalogs(rng: np.random.Generator, catalogs: int, tails: float | None = None) -> NullCatalogs:
    """Return so many. tails: degrees of freedom of Student's t that effects of directions have; None are normal ones."""
    lengths = [*CONTROLS, *np.exp(rng.uniform(np.log(0.25), 0, DIRECTIONS))]
    names = [f"random-{i}" for i in range(len(CONTROLS))] + [f"direction-{i}" for i in range(DIRECTIONS)]
    A = len(ATTRIBUTES)
    unit, spread = np.exp(rng.normal(0, 0.7, (2, catalogs, A)))
    always = rng.normal(0, 0.5, (catalogs, A)) * spread  # what any offset does
    start = rng.standard_normal((SAMPLES, catalogs, A))
    edits, scores, planted = [("unedited", False, -1, 0.0)], [start * unit], [np.zeros((catalogs, A))]
    for name, length in zip(names, lengths, strict=True):
        drawn = rng.standard_normal((catalogs, A)) if tails is None else rng.standard_t(tails, (catalogs, A))
        random = name.startswith("random")
        for i, strength in enumerate(CONTROL_STRENGTHS if random else STRENGTHS):
            offset = strength * length
            mean = spread * drawn * offset + always * offset**2
            change = mean + abs(offset) * spread * rng.standard_normal(start.shape)
            edits.append((name, random, i, strength))
            scores.append((start + change) * unit)
            planted.append(mean)
    frame = pd.DataFrame(list(_rows(edits, catalogs)))
    table = frame.loc[frame.index.repeat(SAMPLES)].reset_index(drop=True)
    in_order = np.moveaxis(np.array(scores), 1, -1)  # edit, catalog, attribute, sample
    table = table.assign(score=in_order.ravel(), seed=0, sample_id=np.tile(np.arange(SAMPLES), len(frame)))
    unedited = rng.standard_normal((UNEDITED, catalogs, A)) * unit
    readings = pd.MultiIndex.from_product([range(catalogs), ATTRIBUTES], names=["judge", "attribute"])
    of_each = pd.DataFrame(unedited.reshape(UNEDITED, -1), columns=readings)
    found = effects(table, of_each.std(ddof=0), of_each.apply(unit_error))
    found = beside_control(found, found[found["control"]], dict(zip(names, map(float, lengths), strict=True)))
    known = frame.assign(planted=np.array(planted).ravel()).drop(columns=["control", "strength"])
    return NullCatalogs(found.merge(known, on=["direction", "strength_index", "judge", "attribute"]))


def _rows(edits: list[tuple[str, bool, int, float]], catalogs: int) -> Iterator[dict[str, object]]:
    for direction, control, index, strength in edits:
        edit = {"direction": direction, "control": control, "strength_index": index, "strength": strength}
        for judge in range(catalogs):
            yield from ({**edit, "judge": judge, "attribute": each} for each in ATTRIBUTES)
