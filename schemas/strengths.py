"""Strengths: how far each direction is followed to either side, found on a few samples on which nothing is measured.

The strength is doubled until images show that the target has moved far enough, or hardly moves any more, or that they are no longer
the model's own, or the offset of h is as large as is ever tried. The second is told by the next two doublings, the third by two
doublings together, as far as there are any. Where the target has moved just far enough is read off the line between the two on
either side of it, or from 0.
"""

import pyarrow as pa

from schemas.columns import column

STRENGTHS = pa.schema(
    [
        column("direction", pa.string(), "The direction.", required=True),
        column("capture", pa.string(), "The capture point that it is added at.", required=True),
        column(
            "attribute",
            pa.string(),
            "Its attribute. Null for an unsupervised direction.",
        ),
        column("strength", pa.float64(), "The full strength: below 0 on one side, above on the other.", required=True),
        column(
            "offset",
            pa.float64(),
            "The norm of that offset of h, as a share of the distance of samples' h from its mean; root mean square over steps.",
            required=True,
        ),
        column(
            "moved",
            pa.float32(),
            "How far that moved the target, or whatever it moves most, as a share of what is wanted.",
            required=True,
        ),
        column(
            "ended",
            pa.string(),
            '"moved" far enough; "levelled" where neither twice nor, if images hold, four times the strength moves it much more; '
            '"unrealistic" where images of twice and of four times the strength together were; or "bound", the largest offset that '
            "is tried.",
            required=True,
        ),
        column("tried", pa.int32(), "How many strengths of this side were tried.", required=True),
    ]
)
