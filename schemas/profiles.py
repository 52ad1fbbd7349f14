"""Profiles: of every direction what it does, in a few words and numbers, at the strengths at which it does it well."""

import pyarrow as pa

PROFILES = pa.schema(
    [
        pa.field("direction", pa.string(), nullable=False),
        pa.field("judge", pa.string(), nullable=False),
        pa.field("target", pa.string()),  # its attribute; of an unsupervised direction the one that it moves most
        pa.field("strength", pa.float32()),  # the farthest measured one at which images are the model's own ...
        pa.field("label", pa.string()),  # ... and what it moves there, in standard deviations: "yaw +1.8, smile +0.2"
        pa.field("on_target", pa.float32()),  # effect on the target there, standard deviations
        pa.field("off_target", pa.float32()),  # largest absolute effect on anything else
        pa.field("usefulness", pa.float32()),  # on_target - off_target; 0 where the target is not clear of the control
        # Calibration: strength 1.0 of a calibrated direction is `unit` times the vector, and moves its target by one standard
        # deviation, whatever method made it. By straight lines through the measured strengths, the last up to twice as far;
        # null where that is not enough.
        pa.field("unit", pa.float32()),
        pa.field(
            "unit_by", pa.string()
        ),  # "rise", or "fall": by how the target falls at minus the unit, where it cannot rise so far
        pa.field(
            "unit_in_reach", pa.bool_()
        ),  # whether images at about that strength were measured to be the model's own
        pa.field("tried", pa.bool_()),  # whether the unit was tried on images, and corrected by what it did
        pa.field("low", pa.float32()),  # strengths (of the vector as it is) between which images are the model's own,
        pa.field("high", pa.float32()),  # as far as was measured
        pa.field("monotonicity", pa.float32()),  # share of pairs of strengths that the target is ordered like: 1 always
        # Unsupervised directions among themselves, and beside supervised ones:
        pa.field("rank", pa.int32()),  # 1 is the most useful
        pa.field("nearest", pa.string()),  # supervised direction with the largest |cosine| over the whole trajectory
        pa.field("nearest_cosine", pa.float32()),
        pa.field("nearest_cosine_by_step", pa.list_(pa.float32())),
        pa.field("duplicate", pa.bool_()),  # whether it nearly is that direction
    ]
)
