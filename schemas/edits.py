"""Edits: images of held-out samples with one direction added to h at one strength."""

import pyarrow as pa

from schemas.columns import column
from schemas.samples import IMAGE

DIRECTION = column("direction", pa.string(), 'The direction that was added; "unedited" where none was.', required=True)
CONTROL = column(
    "control",
    pa.bool_(),
    "Whether it is a random direction with the norms of a real one, for comparison.",
    required=True,
)
UNEDITED = -1  # the strength_index of what is not edited

STRENGTH_INDEX = column(
    "strength_index",
    pa.int32(),
    "Which of the strengths that were measured, from 0; -1 where unedited. Tables are joined on this, never on the strength.",
    required=True,
)
STRENGTH = column(
    "strength", pa.float32(), "What the direction was multiplied by, gamma; 0 where unedited.", required=True
)
EDIT = [DIRECTION, CONTROL, STRENGTH_INDEX, STRENGTH]  # which edit a row is of

SAMPLE = [  # which image of it
    column("seed", pa.int32(), "Which draw of held-out samples this is one of: 0, 1, and so on.", required=True),
    column(
        "sample_id",
        pa.int64(),
        "The held-out sample. Its noise comes from the seed of the run and this id alone.",
        required=True,
    ),
]

EDITS = pa.schema([*EDIT, *SAMPLE, column("image", IMAGE, "The image: a PNG, uint8 RGB.", required=True)])
