"""Preservation: how much of the unedited samples an edit leaves alone, and whether it is a template. Over samples."""

import pyarrow as pa

from schemas.columns import column
from schemas.edits import EDIT

LEVELS, SHARE = "levels of 0 to 255", "share"

# What is measured of each image beside its unedited counterpart: pipeline.metrics.preservation has a function of each name.
MEASURES = [
    column(
        "identity",
        pa.float32(),
        "Cosine to the unedited counterpart in the embedder's features: 1 where it is the same.",
    ),
    column(
        "ms_ssim",
        pa.float32(),
        "MS-SSIM to the unedited counterpart: 1 where it is the same. At as many of five scales as images have room for: 1 from "
        "11 pixels on, 2 from 22, 3 from 44, 4 from 99, all from 176; so it compares at one size of images alone.",
    ),
    column("change_outside", pa.float32(), "Root mean squared change outside the foreground.", unit=LEVELS),
    column(
        "background_shift",
        pa.float32(),
        "Distance of the mean colours outside the foreground, before and after.",
        unit=LEVELS,
    ),
    column("clipped", pa.float32(), "Share of the image's values that are 0 or 255.", unit=SHARE),
    column(
        "precision",
        pa.float32(),
        "Precision (Kynkäänniemi et al. 2019): whether the image lies on the manifold of unedited samples, by k-nearest neighbours "
        "in the embedder's features, no farther than 95 % of these are from theirs; the mean is the share of the images that do.",
        unit=SHARE,
    ),
    column(
        "presence",
        pa.float32(),
        "Probability that the image shows what the model is of. Null where no judge looks for it.",
    ),
]

# What is measured over the samples of an edit, beside one another: pipeline.metrics.template has a function of each name.
OVER_SAMPLES = [
    column(
        "pasted",
        pa.float32(),
        "How much of the change is the same in all samples: 1 of a template, 0 of changes that have nothing in common. Null of "
        "fewer than 6 samples.",
        unit=SHARE,
    ),
    column(
        "follows",
        pa.float32(),
        "How far the change moves where the sample's foreground does: 1 goes along with it, 0 stays in its place. Null where "
        "that is not known: without a foreground, or where samples are too few or all in one place.",
    ),
]

PRESERVATION = pa.schema(
    [
        *EDIT,
        column(
            "n",
            pa.int64(),
            "Samples that these are means over: held-out ones, and those that chose the strength where any did.",
            unit="samples",
            required=True,
        ),
        *MEASURES,
        *OVER_SAMPLES,
        column(
            "realistic",
            pa.bool_(),
            "Whether the images still look like the model's own, by all of this that was measured: at least 80 % of the "
            "precision and 90 % of the presence of their unedited counterparts, and at most 5 % more clipped. True where that "
            "is shown (95 % lower bound), false where the mean is below it, null where it is above on too few samples to say.",
        ),
    ]
)
