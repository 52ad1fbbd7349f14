"""Transfer: what a direction does to the sample that it was found on, and what the same edit does to held-out samples."""

import pyarrow as pa

from schemas.columns import column
from schemas.edits import DIRECTION, STRENGTH, STRENGTH_INDEX
from schemas.effects import STD

TRANSFER = pa.schema(
    [
        DIRECTION,
        STRENGTH_INDEX,
        STRENGTH,
        column("judge", pa.string(), "The network that scored the images before and after.", required=True),
        column("attribute", pa.string(), "What it scored.", required=True),
        column("sample_id", pa.int64(), "The sample that the direction was found on.", required=True),
        column("own", pa.float32(), "Change of that sample.", unit=STD),
        column("others", pa.float32(), "Mean change of the held-out samples.", unit=STD),
        column("same_way", pa.float32(), "Share of the held-out samples that change in the direction that it does."),
        column("n", pa.int64(), "Held-out samples that have a score.", unit="samples", required=True),
    ]
)
