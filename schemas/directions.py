"""Directions: one row each; the vectors lie beside the table in `directions.safetensors`, float32 [T, C, H, W], keyed by name.

Every finder of directions makes this table, so nothing downstream asks where a direction came from.
"""

import pyarrow as pa

from schemas.columns import column
from schemas.effects import STD

_BY_STEP = pa.list_(pa.float32())  # T values, step 0 the noisiest

# What was tried before something was projected away from a direction, in order.
TRIALS = pa.schema(
    [
        column("removed", pa.list_(pa.string()), "The attributes that were projected away.", required=True),
        column("kept", pa.float32(), "Share of the norm of the direction that they left.", required=True),
        column(
            "on_target",
            pa.float32(),
            "Effect on its own attribute, by who chose, of what is left brought back to the full norm.",
            unit=STD,
            required=True,
        ),
        column("off_target", pa.float32(), "Largest absolute effect on anything else.", unit=STD, required=True),
        column("accepted", pa.bool_(), "Whether the ratio of the two had risen.", required=True),
    ]
)
# As they are kept while they are looked for, with whose they are.
SEARCH = pa.schema(
    [
        column("direction", pa.string(), "What was projected away from.", required=True),
        column("trial", pa.int32(), "Which of its trials, from 0.", required=True),
        column("trials", pa.int32(), "How many it has.", required=True),
        *TRIALS,
    ]
)

DIRECTIONS = pa.schema(
    [
        column("name", pa.string(), 'Its name, unique in a catalog, as in "age/mean-difference".', required=True),
        column(
            "method",
            pa.string(),
            'The finder that made it: "mean-difference", "principal-components" and so on.',
            required=True,
        ),
        column(
            "capture",
            pa.string(),
            'The capture point that it is added at, as in "mid_block"; several at once have + between them.',
            required=True,
        ),
        column("attribute", pa.string(), "What it is meant to change. Null for an unsupervised direction."),
        column("annotator", pa.string(), "Who scored that attribute. Null for an unsupervised direction."),
        column("component", pa.int32(), "Index of an unsupervised direction, from 0. Null for a supervised one."),
        column("n", pa.int64(), "Samples that it was fitted on.", unit="samples", required=True),
        column("n_positive", pa.int64(), "How many of them were taken as showing the attribute.", unit="samples"),
        column("n_negative", pa.int64(), "How many of them were taken as not showing it.", unit="samples"),
        column("threshold_positive", pa.float32(), "The lowest score among the positives.", unit="the annotator's own"),
        column(
            "threshold_negative", pa.float32(), "The highest score among the negatives.", unit="the annotator's own"
        ),
        column("norm", pa.float32(), "Norm of the whole trajectory, flattened.", required=True),
        column("norm_by_step", _BY_STEP, "Norm at each step, the noisiest first.", required=True),
        column(
            "explained_variance_ratio",
            _BY_STEP,
            "Of a principal component, the share of the variance of h that it explains at each step.",
        ),
        column(
            "well_separated",
            pa.list_(pa.bool_()),
            "Of a principal component, whether at each step its variance is separated from its neighbours' by much more than what "
            "was dropped or rounded.",
        ),
        # Of a Jacobian's singular vector: where it was found, and for how much it stands.
        column(
            "mask",
            pa.string(),
            'Of a Jacobian\'s singular vector, the region whose change was looked for; "image" is all of it.',
        ),
        column("sample_id", pa.int64(), "The sample that it was found on. Null for a mean subspace."),
        column("step", pa.int32(), "The step at which it was found, 0 the noisiest."),
        column("singular_value", pa.float32(), "Its singular value: of d eps_t / d h_t at that sample and step."),
        column("residual", pa.float32(), "How exact it is: |J^T u - s v| / s_1, 0 where it is exact."),
        column("found", pa.int32(), "How many singular vectors, of all samples and steps, are nearly this one."),
        column(
            "share",
            pa.float32(),
            "Of a mean subspace's direction, how much of it a sample's own subspace has on average, 0 to 1.",
        ),
        # How well h tells the attribute, by step; linear classifiers only. Of samples that the classifier had not seen.
        column(
            "auc_extremes_by_step",
            _BY_STEP,
            "Of a linear classifier, the AUC at each step among positives and negatives, whose scores lie far apart: a mean over "
            "folds that it had not seen, and whose regulariser was chosen on the other folds.",
        ),
        column(
            "auc_all_by_step",
            _BY_STEP,
            "The same among all samples, by the annotator's threshold. Null where there is none.",
        ),
        column(
            "rank_correlation_by_step",
            _BY_STEP,
            "Of a linear classifier, Spearman's correlation of its decisions with the scores of all samples, of folds as above.",
        ),
        column(
            "told_by_chance",
            pa.float32(),
            "What the mean over the steps of auc_all_by_step, or where that is null of rank_correlation_by_step, is at most in 99 "
            "of 100 cases where the labels have nothing to do with h.",
        ),
        column("above_chance", pa.bool_(), "Whether that mean is above told_by_chance: whether h tells the attribute."),
        column("r2_by_step", _BY_STEP, "Of a linear classifier, R² at each step of all scores, of samples not seen."),
        column(
            "accuracy_by_step",
            _BY_STEP,
            "Of a linear classifier, the accuracy at each step on the samples that are neither positive nor negative.",
        ),
        column(
            "penalty_by_step",
            _BY_STEP,
            "Of a linear classifier, the chosen regulariser: scikit-learn's 1 / C or alpha.",
        ),
        # Stability of a supervised direction; cosines are of whole trajectories.
        column("base_rate", pa.float32(), "Share of the samples whose score is above the annotator's threshold."),
        column(
            "split_half_cosine",
            pa.float32(),
            "Cosine of the directions that two halves of the samples give, over the whole trajectory; mean over pairs of halves.",
        ),
        column(
            "expected_cosine",
            pa.float32(),
            "Expected cosine of this direction to the one that ever more samples would give: sqrt(2 s / (1 + s)) of the cosine s "
            "of two halves (Spearman-Brown, then attenuation); 0 where s is not above 0.",
        ),
        column("expected_cosine_low", pa.float32(), "The same by the pair of halves that agree least."),
        column("expected_cosine_high", pa.float32(), "The same by the pair of halves that agree most."),
        column("warnings", pa.list_(pa.string()), "What a user of the direction should know, in sentences."),
        column(
            "parents",
            pa.list_(pa.string()),
            "Of a projected direction, the direction v_0 that it was, then those that were projected away.",
        ),
        column(
            "projected_by",
            pa.string(),
            'How it was projected: "joint", over the whole trajectory (Eq. 12), or "step", at every step on its own.',
        ),
        column("norm_kept", pa.float32(), "Of a projected direction, the share of the norm of v_0 that is left."),
        column("norm_kept_by_step", _BY_STEP, "The same at each step."),
        column(
            "condition_number",
            pa.float32(),
            "Condition number of the Gram matrix of what was projected away: 1 where those are orthogonal.",
        ),
        column(
            "removed_share",
            pa.list_(pa.float32()),
            "Share of what was removed that each of the parents after the first removed; they sum to 1.",
        ),
        column(
            "trials",
            pa.list_(pa.struct(list(TRIALS))),
            "Where effects chose what to project away, everything that was tried.",
        ),
        column("stage", pa.string(), "Name and fingerprint of the stage that made it.", required=True),
    ]
)
