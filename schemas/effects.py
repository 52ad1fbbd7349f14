"""Effects: what adding strength * direction to h changes, on held-out samples, by a judge that labelled nothing."""

import pyarrow as pa

EFFECTS = pa.schema(
    [
        pa.field("direction", pa.string(), nullable=False),
        pa.field("control", pa.bool_(), nullable=False),  # a random direction with the norms of a real one
        pa.field("strength", pa.float32(), nullable=False),  # gamma, which multiplies the direction
        pa.field("judge", pa.string(), nullable=False),
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("effect", pa.float32(), nullable=False),  # mean change, in standard deviations over unedited samples
        pa.field("std", pa.float32(), nullable=False),  # of that change over the held-out samples, same unit
        pa.field("n", pa.int64(), nullable=False),  # held-out samples
        pa.field("raw", pa.float32(), nullable=False),  # mean change in the judge's own unit
    ]
)
