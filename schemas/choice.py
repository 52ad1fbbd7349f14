"""At which capture point each attribute's direction was chosen to be, beside the others that were tried."""

import pyarrow as pa

from schemas.columns import column
from schemas.effects import STD

CHOICE = pa.schema(
    [
        column("attribute", pa.string(), "The attribute.", required=True),
        column(
            "point", pa.string(), "A capture point that was tried; several at once have + between them.", required=True
        ),
        column("direction", pa.string(), "The direction that was tried there.", required=True),
        column("chosen", pa.bool_(), "Whether the attribute's directions are published there.", required=True),
        column("rank", pa.int32(), "1 is chosen, 2 would have been next.", required=True),
        column("carried", pa.float32(), "Share of the way that a swap of h there in all steps takes the attribute."),
        column(
            "strength",
            pa.float32(),
            "The strength that the figures beside are of: the best at which images are the model's own.",
        ),
        column("on_target", pa.float32(), "Effect on the attribute there, by who labelled.", unit=STD),
        column("off_target", pa.float32(), "Largest absolute effect there on anything else.", unit=STD),
        column("pasted", pa.float32(), "Share of the change of the image there that is the same in all samples."),
        column(
            "n",
            pa.int32(),
            "Samples that were edited; none of them is among those that effects are reported on.",
            unit="samples",
            required=True,
        ),
    ]
)
