"""Locality: how much of what a direction changes in held-out images lies inside a region."""

import pyarrow as pa

LOCALITY = pa.schema(
    [
        pa.field("direction", pa.string(), nullable=False),
        pa.field("strength", pa.float32(), nullable=False),
        pa.field("region", pa.string(), nullable=False),  # name of the mask
        pa.field("inside", pa.float32()),  # mean squared change per pixel and channel, levels of 0..255 squared
        pa.field("outside", pa.float32()),  # the same, of the rest of the image
        pa.field("ratio", pa.float32()),  # inside / outside: 1 where the change is spread evenly
        pa.field("n", pa.int64(), nullable=False),  # held-out samples that have the region
    ]
)
