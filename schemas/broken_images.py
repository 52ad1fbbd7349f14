"""Images that cannot be read, and are in no other table: one row an image."""

import pyarrow as pa

from schemas.columns import column

BROKEN_IMAGES = pa.schema(
    [
        column("name", pa.string(), "The image's name within its set.", required=True),
        column(
            "kind",
            pa.string(),
            "What is wrong: empty, no image, truncated, damaged, tiny (under 8 pixels a side), huge (over 2^27 pixels), "
            "unreadable, changed (since the set was listed), no bytes (a row of Parquet without any), not read here (such as "
            "floating point pixels).",
            required=True,
        ),
        column("reason", pa.string(), "What was found.", required=True),
    ]
)
