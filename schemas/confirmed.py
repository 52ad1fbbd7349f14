"""Confirmed: what the unsupervised directions that are ranked first do to samples that had no part in their ranks.

What is the best of many on few samples is so partly by luck. So the first five are measured once more on other samples: at the
strength that their profiles describe them at, and at minus that. Ranks are those by which they were chosen.
"""

import pyarrow as pa

from schemas.columns import column
from schemas.effects import EFFECTS, STD
from schemas.preservation import PRESERVATION

OF_EDIT = ("precision", "presence", "realistic", "pasted", "follows")  # the same for all attributes

CONFIRMED = pa.schema(
    [
        column("direction", pa.string(), "The direction.", required=True),
        column("rank", pa.int32(), "Its rank in profiles.parquet, from 1.", required=True),
        *(EFFECTS.field(name) for name in ("judge", "attribute")),
        column(
            "strength_index",
            pa.int32(),
            "Which strength: 0 that its profile describes it at, 1 minus that.",
            required=True,
        ),
        column("strength", pa.float32(), "That strength.", required=True),
        column("effect", pa.float32(), "Mean change on these samples.", unit=STD),
        *(EFFECTS.field(name) for name in ("effect_low", "effect_high")),
        column("std", pa.float32(), "Standard deviation of that change over these samples.", unit=STD),
        EFFECTS.field("std_error"),
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
