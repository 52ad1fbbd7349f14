"""Verified: what each direction does at the strength that should move its target by one standard deviation.

On samples of their own, by which a strength per standard deviation is corrected. Where a profile describes a direction at one of
these strengths, its effects are these, unless it was measured once more (confirmed.parquet).
"""

import pyarrow as pa

from schemas.columns import column
from schemas.confirmed import CONFIRMED, OF_EDIT

VERIFIED = pa.schema(
    [
        *(CONFIRMED.field(name) for name in ("direction", "judge", "attribute")),
        column("strength", pa.float32(), "The strength that images were made at.", required=True),
        *(
            CONFIRMED.field(name)
            for name in ("effect", "effect_low", "effect_high", "std", "std_error", "n", "significant", *OF_EDIT)
        ),
    ]
)
