"""The scores behind a catalog that still lies in the root where it was made: what a catalog alone does not hold."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.catalog.compare.pairs import SampleScores
from pipeline.engine.filesystem import Filesystem
from pipeline.engine.holdings import Held, holdings, needed
from pipeline.engine.records import content_as_recorded
from pipeline.engine.roots import opened

SCORES = "scores.parquet"


def scores_behind(catalog: Path) -> SampleScores:
    """Return the scores that a catalog was made from; none where it does not lie in a root, or they are not there any more."""
    part = catalog.resolve()  # ROOT/catalog leads to ROOT/STAGE/PART
    stage, root = part.parent.name, part.parents[1] if len(part.parents) > 1 else part
    files = opened(root)
    held = {each.folder: each for each in holdings(files)} if stage.startswith("catalog-") else {}
    if stage not in held:
        return SampleScores(())
    behind = [held[folder] for folder in sorted(needed([stage], list(held.values()))) if folder in held]
    tables = ([*_parts(files, each)] for each in behind)
    return SampleScores(tuple(pd.concat(parts, ignore_index=True) for parts in tables if parts))


def _parts(files: Filesystem, held: Held) -> Iterator[pd.DataFrame]:
    """The scores of each part of a stage, as they were written; what is damaged is no score."""
    for record in held.records.values():
        if SCORES in record["files"]:
            content = files.read(f"{held.folder}/{record['folder']}/{SCORES}")
            if content_as_recorded(content, record["files"][SCORES]):
                yield pq.read_table(pa.BufferReader(content)).to_pandas()
