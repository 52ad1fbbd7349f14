"""Samples: the images that the model generated. A Hugging Face `datasets.Image` column reads them as they are."""

import json

import pyarrow as pa

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

_FEATURES = {
    "sample_id": {"dtype": "int64", "_type": "Value"},
    "seed": {"dtype": "int64", "_type": "Value"},
    "image": {"_type": "Image"},
}

SAMPLES = pa.schema(
    [
        pa.field("sample_id", pa.int64(), nullable=False),  # unique within a run
        pa.field("seed", pa.int64(), nullable=False),  # of the run; x_T and z come from (seed, sample_id) alone
        pa.field("image", IMAGE, nullable=False),  # uint8 RGB PNG
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)
