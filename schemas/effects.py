"""Effects: what adding strength * direction to h changes on held-out samples, by judges that no direction was made by."""

import pyarrow as pa

from schemas.columns import column
from schemas.edits import EDIT

STD = "standard deviations of the attribute"  # over unedited samples

EFFECTS = pa.schema(
    [
        *EDIT,
        column("judge", pa.string(), "The network that scored the images before and after.", required=True),
        column("attribute", pa.string(), "What it scored.", required=True),
        column(
            "effect",
            pa.float32(),
            "Mean change of the attribute, each image against its unedited counterpart. Null where nothing could be measured.",
            unit=STD,
        ),
        column("std", pa.float32(), "Standard deviation of that change over the held-out samples.", unit=STD),
        column(
            "std_over_seeds",
            pa.float32(),
            "Standard deviation of the mean changes of single seeds. Null where there is one seed.",
            unit=STD,
        ),
        column("n", pa.int64(), "Held-out samples that have a score, of all seeds.", unit="samples", required=True),
        column("raw", pa.float32(), "Mean change as the judge gives it.", unit="the judge's own"),
        column(
            "control_limit",
            pa.float32(),
            "What the effect of one more random direction of this norm stays under, with 99 % confidence. "
            "Null where no random directions were measured.",
            unit=STD,
        ),
        column(
            "significant",
            pa.bool_(),
            "Whether the effect is beyond that control limit and its own sampling error together. Null without one.",
        ),
    ]
)
