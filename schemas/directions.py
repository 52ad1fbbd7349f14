"""Directions: one row each; the vectors lie beside the table in `directions.safetensors`, float32 [T, C, H, W], keyed by name.

Every finder of directions makes this table, so nothing downstream asks where a direction came from.
"""

import pyarrow as pa

# What was tried before something was projected away from a direction, in order; effects are standard deviations.
TRIALS = pa.schema(
    [
        pa.field("away", pa.list_(pa.string()), nullable=False),  # attributes
        pa.field("kept", pa.float32(), nullable=False),  # share of the norm that they left
        pa.field("on_target", pa.float32(), nullable=False),  # effect on its attribute, at the full norm, by who chose
        pa.field("off_target", pa.float32(), nullable=False),  # largest absolute effect on anything else
        pa.field("accepted", pa.bool_(), nullable=False),  # whether the ratio of the two had risen
    ]
)

DIRECTIONS = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),  # unique in a catalog, e.g. "smile/mean-difference"
        pa.field(
            "method", pa.string(), nullable=False
        ),  # of the finder: "mean-difference", "principal-components", ...
        pa.field("attribute", pa.string()),  # null for an unsupervised direction
        pa.field("annotator", pa.string()),  # who scored the attribute; null for an unsupervised direction
        pa.field("component", pa.int32()),  # 0-based index of an unsupervised direction; null for a supervised one
        pa.field("n", pa.int64(), nullable=False),  # samples that it was fitted on
        pa.field("n_positive", pa.int64()),
        pa.field("n_negative", pa.int64()),
        pa.field("threshold_positive", pa.float32()),  # lowest score among the positives
        pa.field("threshold_negative", pa.float32()),  # highest score among the negatives
        pa.field("norm", pa.float32(), nullable=False),  # of the whole trajectory [T, C, H, W] flattened
        pa.field("norm_by_step", pa.list_(pa.float32()), nullable=False),  # T values, step 0 the noisiest
        pa.field("explained_variance_ratio", pa.list_(pa.float32())),  # by step; principal components only
        pa.field(
            "trustworthy", pa.list_(pa.bool_())
        ),  # by step: whether a sketched component stands clear of what was dropped
        # Of a Jacobian's singular vector: where it was found, and for how much it stands.
        pa.field("mask", pa.string()),  # region of the image whose change was looked for; "image" for all of it
        pa.field("sample_id", pa.int64()),  # sample that it was found on; null for a mean subspace
        pa.field("step", pa.int32()),  # at which it was found, 0 the noisiest
        pa.field("singular_value", pa.float32()),  # of d eps_t / d h_t there
        pa.field("residual", pa.float32()),  # |J^T u - s v| / s_1: how exact it is
        pa.field("found", pa.int32()),  # singular vectors, of all samples and steps, that are nearly this one
        pa.field(
            "share", pa.float32()
        ),  # of a mean subspace: how much of the direction a sample's subspace has, 0 to 1
        # How well h tells the attribute, by step; linear classifiers only. Of samples that the classifier had not seen.
        pa.field("auc_by_step", pa.list_(pa.float32())),  # among the positives and negatives
        pa.field("r2_by_step", pa.list_(pa.float32())),  # of all scores
        pa.field("accuracy_by_step", pa.list_(pa.float32())),  # on the samples that are neither
        pa.field("penalty_by_step", pa.list_(pa.float32())),  # the regulariser chosen; scikit-learn's 1 / C or alpha
        # Health of a supervised direction; cosines are of whole trajectories.
        pa.field("base_rate", pa.float32()),  # share of the samples above the annotator's threshold
        pa.field("split_half_cosine", pa.float32()),  # of the directions that two halves of the samples give
        pa.field("bootstrap_cosine_low", pa.float32()),  # of resampled directions to this one: 5th percentile
        pa.field("bootstrap_cosine_high", pa.float32()),  # 95th
        pa.field("warnings", pa.list_(pa.string())),  # what a user of the direction should know
        pa.field("cosines", pa.list_(pa.struct([("direction", pa.string()), ("cosine", pa.float32())]))),  # to the
        # catalog's other directions of the same attribute
        pa.field("parents", pa.list_(pa.string())),  # of a projected direction: v_0 first, then what was projected away
        pa.field("projected_by", pa.string()),  # "joint": over the whole trajectory, Eq. 12; or every "step" on its own
        pa.field("norm_kept", pa.float32()),  # of a projected direction: share of the norm of v_0 that is left
        pa.field("norm_kept_by_step", pa.list_(pa.float32())),
        pa.field("condition_number", pa.float32()),  # of the Gram matrix of what was projected away: 1 is orthogonal
        pa.field("taken", pa.list_(pa.float32())),  # share of what was removed that each of parents[1:] took; sums to 1
        pa.field("trials", pa.list_(pa.struct(list(TRIALS)))),  # where effects chose what to project away
        pa.field("stage", pa.string(), nullable=False),  # name and fingerprint of the stage that made it
    ]
)
