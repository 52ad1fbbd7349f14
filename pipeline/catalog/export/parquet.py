"""Export to Parquet: vectors and figures in one table, which pandas, polars, duckdb and datasets read.

FOLDER/directions.parquet    a row a direction and capture point: the columns of the catalog's directions.parquet and
                             profiles.parquet, and the vector as a list of T * C * H * W float32 in C order, with its shape
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.export.vectors import Vector, vectors
from pipeline.errors import UserError
from pipeline.formats.parquet import table_writer
from schemas.catalog import Catalog
from schemas.columns import column
from schemas.directions import DIRECTIONS
from schemas.profiles import PROFILES

GROUP_BYTES = 32 * 2**20  # of vectors in a row group

_OF_THE_VECTOR = [
    column("point", pa.string(), "The capture point that this vector is added at.", required=True),
    column("timesteps", pa.list_(pa.int32()), "The timestep of each step, the noisiest first.", required=True),
    column("model", pa.string(), "The model that it belongs to.", required=True),
    column("weights_sha256", pa.string(), "Of that model's U-Net.", required=True),
    column("shape", pa.list_(pa.int32()), "The shape of the vector: T, and that of h.", required=True),
    column("vector", pa.list_(pa.float32()), "The vector, flattened in C order.", required=True),
]
SCHEMA = pa.schema([*DIRECTIONS, *(field for field in PROFILES if field.name != "direction"), *_OF_THE_VECTOR])


def write(catalog: DirectionCatalog, out: Path, name: str = "directions.parquet") -> None:
    """Write a catalog's directions into an empty folder.

    Raises UserError where its tables do not know a direction of catalog.json.
    """
    with table_writer(out / name, SCHEMA) as writer:
        for table in _groups(catalog):
            writer.write_table(table)


def _groups(catalog: DirectionCatalog) -> Iterator[pa.Table]:
    """Row groups of a bounded size."""
    about, rows, size = catalog.about, list[pa.Table](), 0
    known = {row["name"]: row for row in catalog.arrow("directions.parquet").to_pylist()}
    profiles = {row["direction"]: row for row in catalog.arrow("profiles.parquet").to_pylist()}
    for each in vectors(catalog):
        name = each.direction.name
        if name not in known:
            raise UserError(f"directions.parquet has no row of {name!r}. Publish the catalog again.")
        rows.append(_row({**profiles.get(name, {}), **known[name]}, each, about))
        size += each.values.nbytes
        if size >= GROUP_BYTES:
            yield pa.concat_tables(rows)
            rows, size = [], 0
    if rows:
        yield pa.concat_tables(rows)


def _row(figures: dict[str, Any], vector: Vector, about: Catalog) -> pa.Table:
    """A table of one row. The numbers of the vector go into it as they are."""
    plain = {
        **figures,
        "point": vector.point,
        "timesteps": about.sampling.timesteps,
        "model": about.model.name,
        "weights_sha256": about.model.weights_sha256,
        "shape": list(vector.values.shape),
    }
    flat = pa.ListArray.from_arrays([0, vector.values.size], vector.values.reshape(-1))
    columns = [flat if field.name == "vector" else pa.array([plain.get(field.name)], field.type) for field in SCHEMA]
    return pa.Table.from_arrays(columns, schema=SCHEMA)
