"""Preservation: how much of the unedited samples an edit leaves alone. Means over held-out samples."""

import pyarrow as pa

PRESERVATION = pa.schema(
    [
        pa.field("direction", pa.string(), nullable=False),  # "unedited" has what edits are compared with
        pa.field("control", pa.bool_(), nullable=False),
        pa.field("strength", pa.float32(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),  # held-out samples
        pa.field("identity", pa.float32()),  # cosine to the unedited twin in the embedder's features: 1 is the same
        pa.field("structure", pa.float32()),  # MS-SSIM to the unedited twin: 1 is the same
        pa.field("outside", pa.float32()),  # root mean squared change outside the head, levels of 0..255
        pa.field("background", pa.float32()),  # distance of the mean colours outside the head, levels of 0..255
        pa.field("clipped", pa.float32()),  # share of the values at 0 or 255
        pa.field(
            "typical", pa.float32()
        ),  # share of images on the manifold of unedited samples (Kynkäänniemi et al. 2019)
        pa.field("face", pa.float32()),  # mean probability of a face, where a judge gives one
        pa.field("on_manifold", pa.bool_(), nullable=False),  # whether images still look like the model's own
    ]
)
