"""Edits: images of held-out samples with one direction added to h at one strength."""

import pyarrow as pa

from schemas.columns import column
from schemas.samples import IMAGE

EDITS = pa.schema(
    [
        column("direction", pa.string(), 'The direction that was added; "unedited" where none was.', required=True),
        column("control", pa.bool_(), "Whether it is a random direction, for comparison.", required=True),
        column(
            "strength", pa.float32(), "What the direction was multiplied by, gamma; 0 where unedited.", required=True
        ),
        column("seed", pa.int32(), "Which draw of held-out samples this is one of: 0, 1, and so on.", required=True),
        column(
            "sample_id",
            pa.int64(),
            "The held-out sample. Its noise comes from the seed of the run and this id alone.",
            required=True,
        ),
        column("image", IMAGE, "The image: a PNG, uint8 RGB.", required=True),
    ]
)
