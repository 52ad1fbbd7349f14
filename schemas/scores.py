"""Scores: what judges say of every edited image, and how much of its unedited counterpart is left in it."""

import pyarrow as pa

from schemas.columns import column
from schemas.edits import EDITS
from schemas.preservation import BACKGROUND_SHIFT, CHANGE_OUTSIDE, CLIPPED, IDENTITY, MS_SSIM

_EDIT = [field for field in EDITS if field.name != "image"]

SCORES = pa.schema(
    [
        *_EDIT,
        column("judge", pa.string(), "The network that scored the image.", required=True),
        column("attribute", pa.string(), "What it scored.", required=True),
        column(
            "score",
            pa.float32(),
            "How much of the attribute the image shows. Null where there is nothing to measure.",
            unit="the judge's own",
        ),
    ]
)

# A row an image; of an unedited one the changes are none. Null where nothing measures it.
CHANGES = pa.schema(
    [
        *_EDIT,
        IDENTITY,
        MS_SSIM,
        CHANGE_OUTSIDE,
        BACKGROUND_SHIFT,
        CLIPPED,
        column(
            "precision",
            pa.float32(),
            "1 where the image's features lie on the manifold of unedited samples, 0 where not; the mean is the precision.",
        ),
    ]
)
