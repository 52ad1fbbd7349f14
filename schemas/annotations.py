"""Annotations: one row a (sample, annotator, attribute)."""

import pyarrow as pa

from schemas.columns import column

ANNOTATIONS = pa.schema(
    [
        column("sample_id", pa.int64(), "The sample that was scored.", required=True),
        column("annotator", pa.string(), "Who scored it, by the name in the registry.", required=True),
        column("attribute", pa.string(), "What was scored.", required=True),
        column(
            "score",
            pa.float32(),
            "How much of the attribute the image shows: a logit, above 0 where it is present, or a measure. "
            "Null where there is nothing to measure.",
            unit="the annotator's own",
        ),
    ]
)
