"""Annotations of a set of images: one row an image that can be read, and beside these columns one for each annotator's attribute.

That is called ANNOTATOR.ATTRIBUTE, a float32 in the annotator's own unit, null where there is nothing to measure.
The metadata of its field has the `threshold` above which the attribute is present, where one is known.
"""

from collections.abc import Iterable

import pyarrow as pa

from schemas.columns import column, scores_column

ANNOTATED_IMAGES = pa.schema(
    [
        column(
            "name",
            pa.string(),
            "The image's name within its set: its path below the folder, or FILE:ROW, or TAR/MEMBER.",
            required=True,
        ),
        column(
            "id",
            pa.int64(),
            "Its number among the images that can be read, in the order of the set: the sample_id that a run gives it.",
            required=True,
        ),
    ]
)


def annotated_images(scores: Iterable[tuple[str, str, float]]) -> pa.Schema:
    """The schema with a column for each (annotator, attribute, threshold)."""
    columns = [
        scores_column(
            f"{annotator}.{attribute}",
            f"What {annotator} says of {attribute}{'' if threshold != threshold else f'; above {threshold:g} it is present'}.",
            "the annotator's own",
            threshold,
        )
        for annotator, attribute, threshold in scores
    ]
    return pa.schema([*ANNOTATED_IMAGES, *columns])
