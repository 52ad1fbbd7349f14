"""Profiles: of every direction what it does, in a few words and numbers, at the strengths at which it does it well.

Calibration makes directions comparable, whatever method made them: `strength_per_sd` times the vector moves the target by one
standard deviation. It is read off straight lines through the measured strengths, the last of them up to twice as far.
"""

import pyarrow as pa

from schemas.columns import column
from schemas.effects import STD

PROFILES = pa.schema(
    [
        column("direction", pa.string(), "The direction.", required=True),
        column("judge", pa.string(), "The network that measured it: the first of its evaluation.", required=True),
        column(
            "target",
            pa.string(),
            "Its attribute; of an unsupervised direction the attribute that it moves most over its whole valid range. Null where "
            "the judge scores no such.",
        ),
        column(
            "strength",
            pa.float32(),
            "The farthest measured strength at which images were not seen to leave the model's own: of effects.parquet, "
            "verified.parquet or confirmed.parquet. Where even the first left it, that one. Of what was measured once more it is "
            "the strength that it was ranked at.",
        ),
        column(
            "label",
            pa.string(),
            'What it moves at that strength, as in "age +1.8, pose +0.2"; of an unsupervised direction its target first, '
            "where that is sure.",
            unit=STD,
        ),
        column("on_target", pa.float32(), "Effect on the target at that strength.", unit=STD),
        column("off_target", pa.float32(), "Largest absolute effect on anything else at that strength.", unit=STD),
        column(
            "pasted",
            pa.float32(),
            "How much of the change at that strength is the same in all samples: 1 of a template. Null where not measured.",
            unit="share",
        ),
        column(
            "follows",
            pa.float32(),
            "How far the change at that strength moves where the sample's foreground does: 1 along with it, 0 not at all. Null "
            "where that is not known.",
        ),
        column(
            "usefulness",
            pa.float32(),
            "How much more it moves the target than anything else; 0 where the effect on the target is not significant.",
            unit=STD,
        ),
        column(
            "strength_per_sd",
            pa.float32(),
            "The strength at which the target has risen by one standard deviation, above 0 where strengths above 0 raise it. "
            "Null where what was measured does not go that far.",
        ),
        column(
            "strength_by",
            pa.string(),
            '"rise" where that was measured; "fall" where the target cannot rise so far, and at minus that strength was measured '
            "to fall by as much.",
        ),
        column(
            "strength_in_range",
            pa.bool_(),
            "Whether images at about that strength were made, and not seen to leave the model's own. Null without one.",
        ),
        column(
            "verified",
            pa.bool_(),
            "Whether the strength per standard deviation was verified on images, and corrected by these (verified.parquet).",
        ),
        column(
            "valid_low",
            pa.float32(),
            "The lowest strength down to which images were not seen to leave the model's own; 0 where the first did.",
        ),
        column("valid_high", pa.float32(), "The highest such strength."),
        column(
            "monotonicity",
            pa.float32(),
            "Share of the pairs of strengths that a sample's scores of the target are ordered like: 1 where they always rise.",
        ),
        column(
            "rank",
            pa.int32(),
            "Place among the unsupervised directions, by usefulness and then by the effect on the target, before any of them was "
            "measured once more. Null for a supervised one.",
        ),
        column(
            "confirmed_n",
            pa.int64(),
            "Of the unsupervised directions that are ranked first, the samples, none of which had a part in the rank, that the "
            "label, the effects, pasted, follows, usefulness and the strength per standard deviation are of. Null where these are "
            'of the samples of the rank. A label that begins with "not confirmed" is of one that moves its target the other way on '
            "them.",
            unit="samples",
        ),
        column(
            "nearest",
            pa.string(),
            "Of an unsupervised direction, the supervised one with the largest absolute cosine over the whole trajectory.",
        ),
        column("nearest_cosine", pa.float32(), "The cosine to that direction."),
        column("nearest_cosine_by_step", pa.list_(pa.float32()), "The cosine to it at each step, the noisiest first."),
        column("duplicate", pa.bool_(), "Whether it nearly is that direction."),
        column(
            "turned",
            pa.bool_(),
            "Whether the direction is published the other way round than it was found: so of an unsupervised one whose strengths "
            "above 0 would lower its target.",
        ),
    ]
)
