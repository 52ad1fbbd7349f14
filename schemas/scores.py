"""Scores: what judges say of every edited image, and how much of its unedited twin is left in it."""

import pyarrow as pa

_EDIT = [
    pa.field("direction", pa.string(), nullable=False),  # "unedited" for the samples as they are
    pa.field("control", pa.bool_(), nullable=False),  # a random direction
    pa.field("strength", pa.float32(), nullable=False),
    pa.field("seed", pa.int32(), nullable=False),
    pa.field("sample_id", pa.int64(), nullable=False),
]

SCORES = pa.schema(
    [
        *_EDIT,
        pa.field("judge", pa.string(), nullable=False),
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("score", pa.float32()),  # in the judge's own unit; null where there is nothing to measure
    ]
)

# A row an image; of an unedited one the changes are none. Null where nothing measures it.
CHANGES = pa.schema(
    [
        *_EDIT,
        pa.field("identity", pa.float32()),  # cosine to the twin in the embedder's features: 1 is the same
        pa.field("structure", pa.float32()),  # MS-SSIM to the twin: 1 is the same
        pa.field("outside", pa.float32()),  # root mean squared change outside the head, levels of 0..255
        pa.field("background", pa.float32()),  # distance of the mean colours outside the head, levels of 0..255
        pa.field("clipped", pa.float32()),  # share of the values at 0 or 255
        pa.field("typical", pa.float32()),  # 1 where the features lie on the manifold of unedited samples, else 0
    ]
)
