"""Directions: one row each; the vectors lie beside the table in `directions.safetensors`, float32 [T, C, H, W], keyed by name.

Every finder of directions makes this table, so nothing downstream asks where a direction came from.
"""

import pyarrow as pa

DIRECTIONS = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),  # unique in a catalog, e.g. "smile/mean-difference"
        pa.field(
            "method", pa.string(), nullable=False
        ),  # of the finder: "mean-difference", "principal-components", ...
        pa.field("attribute", pa.string()),  # null for an unsupervised direction
        pa.field("annotator", pa.string()),  # who scored the attribute; null for an unsupervised direction
        pa.field("component", pa.int32()),  # 0-based index of an unsupervised direction; null for a supervised one
        pa.field("n", pa.int64(), nullable=False),  # samples that it was fitted on
        pa.field("n_positive", pa.int64()),
        pa.field("n_negative", pa.int64()),
        pa.field("threshold_positive", pa.float32()),  # lowest score among the positives
        pa.field("threshold_negative", pa.float32()),  # highest score among the negatives
        pa.field("norm", pa.float32(), nullable=False),  # of the whole trajectory [T, C, H, W] flattened
        pa.field("norm_by_step", pa.list_(pa.float32()), nullable=False),  # T values, step 0 the noisiest
        pa.field("explained_variance_ratio", pa.list_(pa.float32())),  # by step; principal components only
        pa.field("auc_by_step", pa.list_(pa.float32())),  # held-out samples; linear classifiers only
        pa.field("parents", pa.list_(pa.string())),  # of a projected direction: v_0 first, then what was projected away
        pa.field("norm_kept", pa.float32()),  # of a projected direction: share of the norm of v_0 that is left
        pa.field("stage", pa.string(), nullable=False),  # name and fingerprint of the stage that made it
    ]
)
