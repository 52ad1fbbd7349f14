"""Locality: how much of what a direction changes in held-out images lies inside a region."""

import pyarrow as pa

from schemas.columns import column
from schemas.edits import DIRECTION, STRENGTH, STRENGTH_INDEX

SQUARED_LEVELS = "levels of 0 to 255, squared"

LOCALITY = pa.schema(
    [
        DIRECTION,
        STRENGTH_INDEX,
        STRENGTH,
        column("region", pa.string(), "The region of the image, by the name of its mask.", required=True),
        column(
            "inside",
            pa.float32(),
            "Mean squared change per pixel and channel inside the region. Null where no image has it.",
            unit=SQUARED_LEVELS,
        ),
        column("outside", pa.float32(), "The same in the rest of the image.", unit=SQUARED_LEVELS),
        column(
            "ratio",
            pa.float32(),
            "Inside over outside: 1 where the change is spread evenly over the image. Null where nothing outside changes.",
        ),
        column("n", pa.int64(), "Held-out samples that have the region.", unit="samples", required=True),
    ]
)
