"""Annotations: one row a (sample, annotator, attribute)."""

import pyarrow as pa

ANNOTATIONS = pa.schema(
    [
        pa.field("sample_id", pa.int64(), nullable=False),
        pa.field("annotator", pa.string(), nullable=False),  # name in the registry
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("score", pa.float32()),  # a logit (> 0 means present) or the attribute's own unit; null where missing
    ]
)
