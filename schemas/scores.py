"""Scores: what judges say of every edited image, and how much of its unedited counterpart is left in it."""

import pyarrow as pa

from schemas.columns import column
from schemas.edits import EDIT, SAMPLE
from schemas.preservation import MEASURES

SCORES = pa.schema(
    [
        *EDIT,
        *SAMPLE,
        column("judge", pa.string(), "The network that scored the image.", required=True),
        column("attribute", pa.string(), "What it scored.", required=True),
        column(
            "score",
            pa.float32(),
            "How much of the attribute the image shows. Null where there is nothing to measure.",
            unit="the judge's own",
        ),
    ]
)

# A row an image; of an unedited one the changes are none. Null where nothing measures it.
CHANGES = pa.schema([*EDIT, *SAMPLE, *MEASURES])
