"""What a swap of h between two samples takes with it: where in the network each attribute is carried, and when."""

import pyarrow as pa

from schemas.columns import column

CARRIAGE = pa.schema(
    [
        column("point", pa.string(), 'The capture point whose h was swapped, as in "up_blocks.0".', required=True),
        column(
            "depth",
            pa.int32(),
            "Its place among the points of this table, from 0: in the order of a pass, unless points were named in another.",
            required=True,
        ),
        column("numbers", pa.int64(), "Numbers of h there, of one sample at one step.", required=True),
        column(
            "third",
            pa.int32(),
            "Which third of the steps it was swapped in, 0 the noisiest. Null: in all steps. Fewer than three steps have none.",
        ),
        column(
            "what",
            pa.string(),
            "What was looked at: an attribute; or the image, its foreground or its background.",
            required=True,
        ),
        column(
            "kind", pa.string(), '"attribute", by its scores; or "pixels", by the images themselves.', required=True
        ),
        column(
            "share",
            pa.float32(),
            "Share of the way to the other sample that the swap went: 0 leaves it as it was, 1 makes it the other's. Null where no "
            "two samples of a pair differ, as where nothing has a score.",
        ),
        column("low", pa.float32(), "Lower end of its 95 % interval, by pairs of samples. Null of one pair."),
        column("high", pa.float32(), "Upper end of it."),
        column(
            "n",
            pa.int32(),
            "Samples whose h was swapped, and that have what was looked at, as has the other.",
            unit="samples",
            required=True,
        ),
    ]
)
