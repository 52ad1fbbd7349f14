"""Familiarity: what can be seen without truth of whether who scores samples is at home in them."""

import pyarrow as pa

from schemas.columns import column

FAMILIARITY = pa.schema(
    [
        column("annotator", pa.string(), "Who scores, by name.", required=True),
        column("n", pa.int64(), "Samples that were looked at.", unit="samples", required=True),
        column(
            "strange",
            pa.float32(),
            "Share of them that are farther from what it was trained on than 99 of 100 of those images are from the rest. Null "
            "where it keeps no such images.",
        ),
        column("present", pa.float32(), "Share in which it finds what it scores at all. Null where it does not say."),
        column("alike", pa.float32(), "The largest share that has one score of an attribute, to three decimals."),
        column("alike_attribute", pa.string(), "The attribute that this is of."),
        column("agrees_with", pa.string(), "Who else scores some of its attributes: the first of this table."),
        column(
            "agreement", pa.float32(), "The lowest correlation of the scores of both, of an attribute that they share."
        ),
        column("agreement_attribute", pa.string(), "The attribute that this is of."),
        column(
            "agreements",
            pa.list_(pa.struct([("attribute", pa.string()), ("r", pa.float32())])),
            "That correlation of each attribute that they share. Null of the first.",
        ),
    ]
)
