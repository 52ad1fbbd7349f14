"""Effects: what adding strength * direction to h changes on held-out samples, by judges that no direction was made by."""

import pyarrow as pa

from schemas.columns import column
from schemas.edits import EDIT

STD = "standard deviations of the attribute"  # over unedited samples

INTERVAL = "95 % interval: by the sampling error of the mean (t) and that of the unit. Null of fewer than two samples."

EFFECTS = pa.schema(
    [
        *EDIT,
        column("judge", pa.string(), "The network that scored the images before and after.", required=True),
        column("attribute", pa.string(), "What it scored.", required=True),
        column(
            "effect",
            pa.float32(),
            "Mean change of the attribute, each image against its unedited counterpart. Null where nothing could be measured.",
            unit=STD,
        ),
        column("effect_low", pa.float32(), f"Low end of the effect's {INTERVAL}", unit=STD),
        column("effect_high", pa.float32(), "High end of that interval.", unit=STD),
        column("std", pa.float32(), "Standard deviation of that change over the held-out samples.", unit=STD),
        column(
            "std_error",
            pa.float32(),
            "Standard error of the effect: std over the root of n, and more where scores come in steps, as of a judge that says "
            "yes or no, since a few of those change alike by chance.",
            unit=STD,
        ),
        column(
            "std_over_seeds",
            pa.float32(),
            "Standard deviation of the mean changes of single seeds. Null where there is one seed.",
            unit=STD,
        ),
        column("n", pa.int64(), "Held-out samples that have a score, of all seeds.", unit="samples", required=True),
        column("raw", pa.float32(), "Mean change as the judge gives it.", unit="the judge's own"),
        column(
            "odd",
            pa.float32(),
            "Odd part: half the difference of this effect and that of the opposite strength, over samples with both. What turns "
            "round with the direction. Null where the opposite strength was not measured.",
            unit=STD,
        ),
        column(
            "even",
            pa.float32(),
            "Even part: the mean of the two. What happens whichever way the direction points, as by any disturbance.",
            unit=STD,
        ),
        column(
            "ratio_low",
            pa.float32(),
            "Low end of the 95 % interval of |effect| over the largest |effect| on any other attribute by this judge in this edit "
            "(Fieller 1954). 0 where the effect may be 0.",
        ),
        column(
            "ratio_high",
            pa.float32(),
            "High end of that interval. Null where it has none, since all other effects may be 0, or is not known.",
        ),
        column(
            "control_limit",
            pa.float32(),
            "What the effect of one more random direction of this norm stays under, with 99 % confidence, also where such "
            "effects are heavy-tailed. Null where no random directions were measured.",
            unit=STD,
        ),
        column(
            "p_value",
            pa.float32(),
            "How likely a random direction of this norm has an effect so large, or an odd part, beside its sampling error. One "
            "test a direction, strength, attribute and judge. Null without a control.",
        ),
        column(
            "q_value",
            pa.float32(),
            "Least false discovery rate at which this effect is a discovery (Benjamini and Hochberg 1995), among all effects of "
            "the evaluation by this judge.",
        ),
        column(
            "significant",
            pa.bool_(),
            "Whether the effect is more than what a random direction of its norm does: q at most 0.01, so that of all effects "
            "of the evaluation that are called so by this judge, 1 % are false on average. Null without a control.",
        ),
        column(
            "direction_p_value",
            pa.float32(),
            "How likely a random direction has any effects so large: the p-values of all of this direction's effects by this "
            "judge as one (Simes 1986). The same in all of them.",
        ),
    ]
)
