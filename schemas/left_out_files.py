"""What a set of images holds beside them, and is left out: one row a kind."""

import pyarrow as pa

from schemas.columns import column

LEFT_OUT_FILES = pa.schema(
    [
        column("what", pa.string(), "What it is.", required=True),
        column("n", pa.int64(), "How many there are. What is below a folder is not counted.", required=True),
        column("example", pa.string(), "One of them.", required=True),
    ]
)
