"""Export of the samples behind a catalog: images, scores and activations, as `datasets.load_dataset(FOLDER)` reads them.

FOLDER/data/train-*.parquet    a row a sample: sample_id, seed, image, a column of scores an annotator and attribute, and h as T
                               lists of float16, step 0 the noisiest
FOLDER/README.md               what the columns hold, and the shape of h
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from huggingface_hub import DatasetCardData

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.export.hub import text
from pipeline.errors import UserError
from pipeline.formats.parquet import table_writer
from schemas.catalog import Catalog
from schemas.samples import IMAGE

GROUP_BYTES = 64 * 2**20  # of h in a row group
Score = tuple[str, str]  # annotator, attribute


@dataclass(frozen=True, eq=False)
class SampledPart:
    """Some samples of a run, B of them."""

    samples: pa.Table  # of schemas.samples
    scores: pa.Table  # of schemas.annotations
    h: dict[
        str, np.ndarray
    ]  # float16 (B, T, *shape) by the column that it has in activations.parquet: h, or a capture point


def write(catalog: DirectionCatalog, out: Path, parts: Iterable[SampledPart]) -> None:
    """Write samples into an empty folder, a file a part. Raises UserError where there are none, or they were not scored alike."""
    (out / "data").mkdir()
    schema, scores, n = None, list[Score](), 0
    for number, part in enumerate(parts):
        if schema is None:
            scores = _scores_of(part.scores)
            schema, shapes = _schema(part, scores), {name: list(h.shape[2:]) for name, h in part.h.items()}
        elif scores != _scores_of(part.scores):
            raise UserError("The samples were not all scored alike. Run the same job to the end, then export again.")
        _write_part(out / "data" / f"train-{number:05d}.parquet", part, scores, schema)
        n += len(part.samples)
    if schema is None:
        raise UserError("There are no samples to export.")
    (out / "README.md").write_text(_card(catalog.about, n, schema, shapes), encoding="utf-8")


def _write_part(path: Path, part: SampledPart, scores: list[Score], schema: pa.Schema) -> None:
    rows = max(1, GROUP_BYTES // max(1, sum(h[0].nbytes for h in part.h.values())))
    ids = part.samples["sample_id"]
    columns = [ids, part.samples["seed"], part.samples["image"].cast(IMAGE)]
    columns += [_column(part.scores, score, ids) for score in scores]
    columns += [_by_step(h) for h in part.h.values()]
    table = pa.Table.from_arrays([_whole(each) for each in columns], schema=schema)
    with table_writer(path, schema) as writer:
        for start in range(0, len(table), rows):
            writer.write_table(table.slice(start, rows))


def _schema(part: SampledPart, scores: list[Score]) -> pa.Schema:
    """The columns, which may all be null, as `datasets` expects them; the image is one of its own kind."""
    features = {"image": {"_type": "Image"}}
    return pa.schema(
        [
            pa.field("sample_id", pa.int64()),
            pa.field("seed", pa.int64()),
            pa.field("image", IMAGE),
            *(pa.field("/".join(score), pa.float32()) for score in scores),
            *(pa.field(_named(name), _by_step_type(h)) for name, h in part.h.items()),
        ],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )


def _scores_of(scores: pa.Table) -> list[Score]:
    """Who scored what, in the order of the table."""
    pairs = zip(scores["annotator"].to_pylist(), scores["attribute"].to_pylist(), strict=True)
    return list(dict.fromkeys(pairs))


def _column(scores: pa.Table, score: Score, ids: pa.ChunkedArray) -> pa.Array:
    """One annotator's scores of one attribute, in the order of the samples; null where there is none."""
    own = scores.filter((pc.field("annotator") == score[0]) & (pc.field("attribute") == score[1]))
    known = dict(zip(own["sample_id"].to_pylist(), own["score"].to_pylist(), strict=True))
    return pa.array([known.get(each) for each in ids.to_pylist()], pa.float32())


def _named(column: str) -> str:
    return column if column == "h" else f"h/{column}"


def _by_step_type(h: np.ndarray) -> pa.DataType:
    return pa.list_(pa.list_(pa.float16(), prod(h.shape[2:])))


def _by_step(h: np.ndarray) -> pa.Array:
    """h (B, T, ...) as a column: of each sample a list of T lists, all of one length."""
    B, T, D = h.shape[0], h.shape[1], prod(h.shape[2:])
    flat = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(h).reshape(-1)), D)
    return pa.ListArray.from_arrays(pa.array(np.arange(B + 1) * T, pa.int32()), flat)


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _card(about: Catalog, n: int, schema: pa.Schema, shapes: dict[str, list[int]]) -> str:
    data = DatasetCardData(
        pretty_name=f"Samples with h-space activations, {n}",
        tags=["hspace-directions", "h-space", "diffusion"],
        configs=[{"config_name": "default", "data_files": "data/train-*.parquet"}],
    )
    scores = [name for name in schema.names[3:] if not name.startswith("h")]
    lines = [
        f"# {n} {about.sampling.found_in} of {text(about.model.name)}",
        "",
        f"T = {about.sampling.steps} steps, eta = {about.sampling.eta}; their timesteps, the noisiest first, are",
        f"{', '.join(map(str, about.sampling.timesteps))}.",
        "",
        *(
            f"- `{_named(name)}`: T lists, each the float16 numbers of h {shape} in C order"
            for name, shape in shapes.items()
        ),
        *(f"- {text(name)}: a score, in the annotator's own unit" for name in scores),
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        'samples = load_dataset("FOLDER", split="train")  # this folder',
        "```",
        "",
    ]
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n".join(lines)
