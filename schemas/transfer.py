"""Transfer: what a direction does to the sample that it was found on, and what the same edit does to held-out samples."""

import pyarrow as pa

TRANSFER = pa.schema(
    [
        pa.field("direction", pa.string(), nullable=False),
        pa.field("strength", pa.float32(), nullable=False),
        pa.field("judge", pa.string(), nullable=False),
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("sample_id", pa.int64(), nullable=False),  # that it was found on
        pa.field("own", pa.float32()),  # change of that sample, in standard deviations over samples
        pa.field("others", pa.float32()),  # mean change of the held-out samples, same unit
        pa.field("same_way", pa.float32()),  # share of these that change in the direction that it does
        pa.field("n", pa.int64(), nullable=False),  # held-out samples
    ]
)
