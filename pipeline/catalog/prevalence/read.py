"""Reads a folder of annotations, as jobs.annotate publishes it: `images.parquet`, a row an image, and `broken.parquet`."""

from collections.abc import Collection, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.catalog.prevalence.scored_images import Scored, ScoredImages
from pipeline.errors import UserError


def scored_images(
    folder: Path, columns: Iterable[tuple[str, str, float]], of: str, labels: Collection[str] = ()
) -> ScoredImages:
    """Return what a folder of annotations says.

    columns: annotator, attribute and threshold of each; of: the set, for people; labels: annotators whose scores are labels.
    Raises UserError for a folder without these tables, or without one of the columns.
    """
    wanted = tuple(Scored(*each, labels=each[0] in labels) for each in columns)
    try:
        there = pq.read_schema(folder / "images.parquet").names
        columns_read = ["name", *(each.column for each in wanted if each.column in there)]
        scores = pq.read_table(folder / "images.parquet", columns=columns_read)
        broken = pq.read_table(folder / "broken.parquet", columns=["name", "kind", "reason"])
    except (OSError, pa.ArrowException) as error:
        raise UserError(
            f"{folder} holds no annotations that can be read ({error}). Annotate the images again."
        ) from error
    if lacking := [each.column for each in wanted if each.column not in there]:
        raise UserError(f"{folder} has no scores {lacking[0]}; it has {', '.join(there)}.")
    return ScoredImages(of, wanted, scores.to_pandas(), broken.to_pandas())
