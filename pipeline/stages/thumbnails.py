"""The thumbnails of a catalog: a few of the images that it was made from and measured on."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.annotators.regions import outline
from pipeline.engine.store import Store
from pipeline.formats.images import decode, thumbnail
from pipeline.stages.finders.finder import read_rows
from pipeline.stages.finders.jacobian_directions import JacobianDirections
from pipeline.stages.finders.jacobian_subspaces import images_of
from pipeline.stages.measures.edit_origins import EditOrigins
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.transfer import Transfer
from pipeline.stages.sources.source import Source
from schemas.columns import table_of
from schemas.edits import UNEDITED
from schemas.thumbnails import HELD_OUT, OWN, SAMPLE, THUMBNAILS

GALLERY = 32  # unedited samples
HELD_OUT_SAMPLES = 6  # of every edit
ENLARGED = 2  # times, an image in which a region is drawn

Row = dict[str, Any]


def thumbnails(
    source: Source, evaluations: Sequence[Evaluate], transfers: Sequence[Transfer], store: Store
) -> pa.Table:
    """Return schemas.thumbnails: the first samples, the first held-out samples of every edit, and samples of directions' own."""
    rows = [{"of": SAMPLE, **row} for row in _samples(source, store)]
    for index, evaluate in enumerate(evaluations):
        rows += [{"of": HELD_OUT, "evaluation": index, **row} for row in _held_out(evaluate, store)]
    for each in transfers:
        index = evaluations.index(each.evaluate)
        rows += [{"of": OWN, "evaluation": index, **row} for row in _own(each.edit, store)]
    return table_of(rows, THUMBNAILS)


def _samples(source: Source, store: Store) -> Iterator[Row]:
    """The first unedited samples, from as few parts as hold them."""
    ids = np.arange(min(GALLERY, source.n))
    for sample_id, image in zip(ids.tolist(), images_of(source, ids, store), strict=True):
        yield {"sample_id": sample_id, "image": _cell(image)}


def _held_out(evaluate: Evaluate, store: Store) -> Iterator[Row]:
    """The first held-out samples, unedited and along every direction but the random ones."""
    yield from _edited(evaluate.edit.unedited(store))
    for table in evaluate.edit.edited(store):
        if not table["control"][0].as_py():
            yield from _edited(table)


def _own(edit: EditOrigins, store: Store) -> Iterator[Row]:
    """The sample that each direction was found on: unedited with the region outlined, and edited."""
    for finder in edit.finders:
        masks = finder.subspaces.masks(store) if isinstance(finder, JacobianDirections) else {}
        for row in read_rows(store, (finder,)):
            origin = row["sample_id"]
            [image] = images_of(edit.sample, np.array([origin]), store)
            outlined = outline(image, masks[origin], ENLARGED) if origin in masks else image
            yield {
                "direction": row["name"],
                "strength_index": UNEDITED,
                "sample_id": origin,
                "image": _cell(outlined),
            }
    for table in edit.edited(store):
        yield from _edited(table)


def _edited(table: pa.Table) -> Iterator[Row]:
    """The first rows of one edit."""
    table = table.slice(0, HELD_OUT_SAMPLES)
    about = table.select(["direction", "strength_index", "sample_id"]).to_pylist()
    for row, image in zip(about, decode(table), strict=True):
        yield {**row, "image": _cell(image)}


def _cell(image: np.ndarray) -> Row:
    return {"bytes": thumbnail(image), "path": None}
