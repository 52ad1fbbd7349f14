"""Edits: images of held-out samples with one direction added to h at one strength."""

import pyarrow as pa

from schemas.samples import IMAGE

EDITS = pa.schema(
    [
        pa.field("direction", pa.string(), nullable=False),  # "unedited" for the samples as they are
        pa.field("control", pa.bool_(), nullable=False),  # a random direction
        pa.field("strength", pa.float32(), nullable=False),  # gamma; 0 where unedited
        pa.field("seed", pa.int32(), nullable=False),  # 0, 1, ...: which draw of held-out samples this is one of
        pa.field("sample_id", pa.int64(), nullable=False),  # its noise is that of (seed of the run, sample_id)
        pa.field("image", IMAGE, nullable=False),  # uint8 RGB PNG
    ]
)
