"""Scores: what judges say of every edited image, and how much of its unedited counterpart is left in it."""

import pyarrow as pa

from schemas.columns import column
from schemas.edits import EDIT, SAMPLE
from schemas.preservation import LEVELS, MEASURES

SCORES = pa.schema(
    [
        *EDIT,
        *SAMPLE,
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

SQUARED, PIXELS = f"{LEVELS}, squared", "pixels"

# What changes in an image, and where: what is the same in all images of an edit is told by these.
CHANGED = [
    column("change", pa.float32(), "Mean squared change.", unit=SQUARED),
    column(
        "shared",
        pa.float32(),
        "Mean product of the change and that of each other image of the same edit in the part.",
        unit=SQUARED,
    ),
    column("change_x", pa.float32(), "Centre of the squared change, from the left.", unit=PIXELS),
    column("change_y", pa.float32(), "The same from the top.", unit=PIXELS),
    column("foreground_x", pa.float32(), "Centre of the unedited image's foreground, from the left.", unit=PIXELS),
    column("foreground_y", pa.float32(), "The same from the top.", unit=PIXELS),
]

# A row an image; of an unedited one the changes are none. Null where nothing measures it.
CHANGES = pa.schema([*EDIT, *SAMPLE, *MEASURES, *CHANGED])
