"""Verified: what each direction does at the strength that should move its target by one standard deviation.

On samples of their own, by which a strength per standard deviation is corrected. Where a profile describes a direction at one of
these strengths, its effects are these, unless it was measured once more (confirmed.parquet).
"""

import pyarrow as pa

from schemas.columns import column
from schemas.confirmed import OF_EDIT
from schemas.effects import EFFECTS, STD
from schemas.preservation import PRESERVATION

VERIFIED = pa.schema(
    [
        column("direction", pa.string(), "The direction.", required=True),
        *(EFFECTS.field(name) for name in ("judge", "attribute")),
        column("strength", pa.float32(), "The strength that images were made at.", required=True),
        column("effect", pa.float32(), "Mean change on these samples.", unit=STD),
        *(EFFECTS.field(name) for name in ("effect_low", "effect_high")),
        column("std", pa.float32(), "Standard deviation of that change over these samples.", unit=STD),
        column("n", pa.int64(), "These samples, as far as they have a score.", unit="samples", required=True),
        column(
            "significant",
            pa.bool_(),
            "Whether the effect is more than what a random direction of its norm does, as in effects.parquet, among these effects "
            "alone. Null without a control.",
        ),
        *(PRESERVATION.field(name) for name in OF_EDIT),
    ]
)
