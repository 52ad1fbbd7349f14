"""Samples: the images that the model generated. A Hugging Face `datasets.Image` column reads them as they are."""

import json

import pyarrow as pa

from schemas.columns import column

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

_FEATURES = {
    "sample_id": {"dtype": "int64", "_type": "Value"},
    "seed": {"dtype": "int64", "_type": "Value"},
    "image": {"_type": "Image"},
}

SAMPLES = pa.schema(
    [
        column("sample_id", pa.int64(), "The sample: a number that is unique within a run.", required=True),
        column(
            "seed",
            pa.int64(),
            "The seed of the run. x_T and all later noise of a sample come from the seed and its id alone.",
            required=True,
        ),
        column("image", IMAGE, "The image: a PNG, uint8 RGB.", required=True),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)
