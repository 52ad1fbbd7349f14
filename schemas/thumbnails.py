"""Thumbnails: small images of what a catalog was found in, and of what its directions do. Nothing is measured on them."""

import pyarrow as pa

from schemas.columns import column
from schemas.samples import IMAGE

SAMPLE, HELD_OUT, OWN = "sample", "held-out", "own"  # what an image is of

THUMBNAILS = pa.schema(
    [
        column(
            "of",
            pa.string(),
            'What is shown: "sample", one that directions were found in; "held-out", one that a direction was applied to; "own", '
            "the sample that a direction of single images was found on.",
            required=True,
        ),
        column("evaluation", pa.int32(), "Which of the evaluations of catalog.json, from 0. Null of a sample."),
        column(
            "direction",
            pa.string(),
            'The direction that was added; "unedited" where none was. Of an unedited sample of its own, the direction that was '
            "found on it. Null of a sample.",
        ),
        column("strength_index", pa.int32(), "Which of the evaluation's strengths, from 0; -1 where unedited."),
        column("sample_id", pa.int64(), "The sample.", required=True),
        column(
            "image",
            IMAGE,
            "A JPEG, at most 128 pixels a side. Of an unedited sample of its own, with the region outlined.",
            required=True,
        ),
    ]
)
