"""Learning curve: how alike the directions of two disjoint draws of labelled samples are, by how many there are."""

import pyarrow as pa

from schemas.columns import column

LEARNING_CURVE = pa.schema(
    [
        column("attribute", pa.string(), "What the direction is of.", required=True),
        column(
            "space",
            pa.string(),
            'Where the direction lies: "h", over whole trajectories, or "x_T", the noise that they begin with.',
            required=True,
        ),
        column("n", pa.int64(), "Positives of a draw, and as many negatives.", unit="samples", required=True),
        column(
            "cosine",
            pa.float32(),
            "Cosine of the differences of means of two disjoint draws, the mean over pairs of draws.",
            required=True,
        ),
        column("low", pa.float32(), "The 5th percentile of that cosine over the pairs.", required=True),
        column("high", pa.float32(), "The 95th percentile of that cosine over the pairs.", required=True),
        column(
            "to_truth",
            pa.float32(),
            "Estimated cosine of a draw's direction to the one that ever more samples would give.",
            required=True,
        ),
        column("pairs", pa.int64(), "How many pairs of draws were compared.", required=True),
    ]
)
