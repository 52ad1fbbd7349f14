"""Samplers: the strength per standard deviation where images are made by a sampler of the other kind than the catalog's own.

How random a sampler is changes what a direction does, by a factor that differs by attribute. There are two kinds: deterministic,
in which the noise x_T decides the image (eta = 0; DPM-Solver++, Euler, Heun, UniPC), and stochastic, which draws noise at every
step (eta above 0; DDPM, ancestral and SDE samplers). profiles.parquet has the kind that the catalog was made with.
"""

from collections.abc import Sequence
from typing import Literal

import pyarrow as pa

from schemas.columns import column
from schemas.effects import STD

Sampler = Literal["deterministic", "stochastic"]


def sampler_of(eta: float | Sequence[float]) -> Sampler:
    """Return the kind of sampler that an eta makes: one for all steps, or one a step."""
    etas = [eta] if isinstance(eta, int | float) else eta
    return "stochastic" if any(etas) else "deterministic"


SAMPLERS = pa.schema(
    [
        column("direction", pa.string(), "The direction.", required=True),
        column("judge", pa.string(), "The network that measured it: the first of its evaluation.", required=True),
        column(
            "sampler",
            pa.string(),
            '"deterministic" or "stochastic": the other kind than that of the catalog\'s own eta.',
            required=True,
        ),
        column(
            "eta",
            pa.float32(),
            "Of the reverse process that was measured; all else is the catalog's own.",
            required=True,
        ),
        column("target", pa.string(), "What it moves, as in profiles.parquet. Null where the judge scores no such."),
        column("strength", pa.float32(), "The strength that was measured."),
        column("effect", pa.float32(), "Effect on the target at that strength.", unit=STD),
        column("std", pa.float32(), "Standard deviation of the changes over samples.", unit=STD),
        column("n", pa.int64(), "Samples that have a score; nothing else was measured on them.", unit="samples"),
        column(
            "strength_per_sd",
            pa.float32(),
            "The strength at which the target has risen by one standard deviation, on a straight line through what was measured. "
            "Null where that is more than half as far again.",
        ),
        column("strength_by", pa.string(), '"rise" or "fall", as in profiles.parquet.'),
        column(
            "strength_in_range",
            pa.bool_(),
            "Whether images at the strength that was measured look like the model's own. Null where that is not known of so few.",
        ),
    ]
)
