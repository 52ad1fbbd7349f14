"""Images as they were read for annotators: one row an image of the set, whether it could be read or not."""

import pyarrow as pa

from schemas.columns import column

READ_IMAGES = pa.schema(
    [
        column("number", pa.int64(), "The image's number among all that are listed, counted from 0.", required=True),
        column("name", pa.string(), "Its name within the set.", required=True),
        column("format", pa.string(), "PNG, JPEG ... Null where it cannot be read."),
        column(
            "remarks",
            pa.string(),
            "What it had that is not plain RGB, by commas: grey, CMYK, 16 bits, transparent, turned upright, "
            "first of several frames, metadata damaged. Null where it cannot be read.",
        ),
        column("kind", pa.string(), "Of what kind the fault is that keeps it from being read. Null where it can be."),
        column("reason", pa.string(), "The fault. Null where it can be read."),
    ]
)
