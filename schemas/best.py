"""Best: the strength that each direction is shown at, and what chose it."""

import pyarrow as pa

from schemas.columns import column
from schemas.effects import STD

BEST = pa.schema(
    [
        column("direction", pa.string(), "The direction: one that is meant to change an attribute.", required=True),
        column("target", pa.string(), "That attribute.", required=True),
        column(
            "strength_index",
            pa.int32(),
            "Which of its measured strengths it is shown at: always one in its valid range. Null where none of them is.",
        ),
        column("strength", pa.float32(), "That strength."),
        column(
            "chosen_by",
            pa.string(),
            'What chose it: "selection", the largest clean effect on selection samples, or else the best ratio; "farthest", no '
            "effect: the farthest strength in the valid range, of a direction that selection samples do not show.",
            required=True,
        ),
        column(
            "selection_n",
            pa.int64(),
            "The selection samples, none of which is among those that effects.parquet is of. Null where no effect chose.",
            unit="samples",
        ),
        column(
            "selection_on_target",
            pa.float32(),
            "Effect on the target on these, the sign of the strength out.",
            unit=STD,
        ),
        column("selection_off_target", pa.float32(), "Largest absolute effect on anything else on these.", unit=STD),
        column("selection_clean", pa.bool_(), "Whether the second was at most a third of the first, on these."),
    ]
)
