"""Effects: what adding strength * direction to h changes on held-out samples, by judges that no direction was made by."""

import pyarrow as pa

EFFECTS = pa.schema(
    [
        pa.field("direction", pa.string(), nullable=False),
        pa.field("control", pa.bool_(), nullable=False),  # a random direction with the norms of a real one
        pa.field("strength", pa.float32(), nullable=False),  # gamma, which multiplies the direction
        pa.field("judge", pa.string(), nullable=False),
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("effect", pa.float32()),  # mean change, in standard deviations over unedited samples
        pa.field("std", pa.float32()),  # of that change over the held-out samples, same unit
        pa.field("std_over_seeds", pa.float32()),  # of the mean changes of single seeds; null where there is one
        pa.field("n", pa.int64(), nullable=False),  # held-out samples that have a score, of all seeds
        pa.field("raw", pa.float32()),  # mean change in the judge's own unit
        pa.field("limit", pa.float32()),  # what a random direction of this norm stays under, with 99 % confidence
        pa.field("clear", pa.bool_()),  # beyond that limit, and beyond its own sampling error; null without a control
    ]
)
