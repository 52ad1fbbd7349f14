"""Preservation: how much of the unedited samples an edit leaves alone. Means over held-out samples."""

import pyarrow as pa

from schemas.columns import column

LEVELS = "levels of 0 to 255"

# Of one image beside its unedited counterpart; schemas.scores has the same columns.
IDENTITY = column(
    "identity", pa.float32(), "Cosine to the unedited counterpart in the embedder's features: 1 where it is the same."
)
MS_SSIM = column("ms_ssim", pa.float32(), "MS-SSIM to the unedited counterpart: 1 where it is the same.")
CHANGE_OUTSIDE = column("change_outside", pa.float32(), "Root mean squared change outside the head.", unit=LEVELS)
BACKGROUND_SHIFT = column(
    "background_shift", pa.float32(), "Distance of the mean colours outside the head, before and after.", unit=LEVELS
)
CLIPPED = column("clipped", pa.float32(), "Share of the image's values that are 0 or 255.")

PRESERVATION = pa.schema(
    [
        column(
            "direction",
            pa.string(),
            'The direction that was added; "unedited" for the samples that edits are compared with.',
            required=True,
        ),
        column("control", pa.bool_(), "Whether it is a random direction, for comparison.", required=True),
        column(
            "strength", pa.float32(), "What the direction was multiplied by, gamma; 0 where unedited.", required=True
        ),
        column("n", pa.int64(), "Held-out samples that these are means over.", unit="samples", required=True),
        IDENTITY,
        MS_SSIM,
        CHANGE_OUTSIDE,
        BACKGROUND_SHIFT,
        CLIPPED,
        column(
            "precision",
            pa.float32(),
            "Precision (Kynkäänniemi et al. 2019): share of the images that lie on the manifold of unedited samples, by "
            "k-nearest neighbours in the embedder's features.",
        ),
        column("face", pa.float32(), "Mean probability of a face. Null where no judge gives one."),
        column(
            "realistic",
            pa.bool_(),
            "Whether the images still look like the model's own, by all of this that was measured.",
            required=True,
        ),
    ]
)
