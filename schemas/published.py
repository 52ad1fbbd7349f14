"""What a catalog holds: every file, what it is, and the columns of its tables."""

import pyarrow as pa

from schemas.columns import column
from schemas.cosines import COSINES
from schemas.directions import DIRECTIONS
from schemas.effects import EFFECTS
from schemas.learning_curve import LEARNING_CURVE
from schemas.locality import LOCALITY
from schemas.preservation import PRESERVATION
from schemas.profiles import PROFILES
from schemas.thumbnails import THUMBNAILS
from schemas.transfer import TRANSFER

EVALUATION = column(
    "evaluation", pa.int32(), "Which of the evaluations of catalog.json this row is of, from 0.", required=True
)

TABLES = {
    "directions.parquet": DIRECTIONS,
    "effects.parquet": pa.schema([EVALUATION, *EFFECTS]),
    "profiles.parquet": PROFILES,
    "preservation.parquet": pa.schema([EVALUATION, *PRESERVATION]),
    "cosines.parquet": COSINES,
    "learning_curve.parquet": LEARNING_CURVE,
    "transfer.parquet": TRANSFER,
    "locality.parquet": LOCALITY,
    "thumbnails.parquet": THUMBNAILS,
}
