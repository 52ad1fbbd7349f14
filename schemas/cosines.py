"""Cosines: how alike the directions of one attribute are that different methods made."""

import pyarrow as pa

from schemas.columns import column

COSINES = pa.schema(
    [
        column("direction", pa.string(), "A supervised direction.", required=True),
        column("other", pa.string(), "Another direction of the same attribute.", required=True),
        column("cosine", pa.float32(), "Their cosine over the whole trajectory.", required=True),
    ]
)
