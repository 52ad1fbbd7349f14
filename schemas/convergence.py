"""Convergence: how alike the directions of two disjoint draws of labelled samples are, by how many there are."""

import pyarrow as pa

CONVERGENCE = pa.schema(
    [
        pa.field("attribute", pa.string(), nullable=False),
        pa.field(
            "space", pa.string(), nullable=False
        ),  # "h": of whole trajectories; "x_T": of the noise that they begin with
        pa.field("n", pa.int64(), nullable=False),  # positives, and as many negatives, of a draw
        pa.field("cosine", pa.float32(), nullable=False),  # of the differences of means of two draws, mean over pairs
        pa.field("low", pa.float32(), nullable=False),  # 5th percentile over the pairs
        pa.field("high", pa.float32(), nullable=False),  # 95th
        pa.field("to_truth", pa.float32(), nullable=False),  # cosine to what ever more samples would give, estimated
        pa.field("pairs", pa.int64(), nullable=False),
    ]
)
