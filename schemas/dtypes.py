"""Dtypes that a U-Net was timed in where a run works, and the one that was chosen: what `dtype` auto goes by.

The numbers are of one machine at one time, so no two such tables are alike. A root has one for a model and a batch; whatever is
made in it with `dtype` auto goes by that.
"""

import pyarrow as pa

from schemas.columns import column

DTYPES = pa.schema(
    [
        column("dtype", pa.string(), '"float32" or "bfloat16".', required=True),
        column(
            "seconds",
            pa.float64(),
            "What a pass takes for each sample in it, the median over passes. Null where it does not run.",
            unit="s",
        ),
        column("samples", pa.int32(), "In a pass.", unit="samples", required=True),
        column(
            "error",
            pa.float64(),
            "Of h in such a pass: root mean square of what differs from float32, over that of h. Null where it does not run.",
        ),
        column("fault", pa.string(), "Why it does not run. Null where it does."),
        column("chosen", pa.bool_(), "Whether runs go by it.", required=True),
        column("machine", pa.string(), "What it was timed on: the GPU, or the CPU's instruction set.", required=True),
    ]
)
