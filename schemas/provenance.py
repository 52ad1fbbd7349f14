"""Provenance: of a catalog that was merged, which catalog each direction, and all that was measured of it, came from."""

import pyarrow as pa

from schemas.columns import column

PROVENANCE = pa.schema(
    [
        column("direction", pa.string(), "The direction, by its name in this catalog.", required=True),
        column(
            "catalog",
            pa.string(),
            "The catalog that it came from, by the name that the merge gave it; of one that was merged itself, a path.",
            required=True,
        ),
        column("name", pa.string(), "Its name there.", required=True),
        column(
            "sha256sums",
            pa.string(),
            "The SHA-256 of that catalog's SHA256SUMS, and so of all its files.",
            required=True,
        ),
        column("stage", pa.string(), "Name and fingerprint of the stage that made it.", required=True),
        column("seed", pa.int64(), "The seed of the samples there.", required=True),
    ]
)
