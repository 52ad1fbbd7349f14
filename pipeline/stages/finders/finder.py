"""What the finders of directions share: every one makes `directions.parquet` and `directions.safetensors`."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pipeline.annotators.base import Annotator
from pipeline.annotators.independence import same_network
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.formats.arrays import write_vectors
from pipeline.formats.parquet import write_table
from pipeline.hspace.capture import MID_BLOCK
from pipeline.signs import signed
from pipeline.stages import reading
from schemas.columns import table_of
from schemas.directions import DIRECTIONS

Row = dict[str, Any]

TABLE, VECTORS = "directions.parquet", "directions.safetensors"
NEARLY = 1e-4  # of a norm, which is rounded


@runtime_checkable
class Finder(Protocol):
    """A stage that makes directions, and knows their names before it has run."""

    @property
    def names(self) -> tuple[str, ...]: ...


def names_of(stage: Stage) -> tuple[str, ...]:
    """The names of the directions that a finder makes."""
    assert isinstance(stage, Finder), f"{stage.name} finds no directions"
    return stage.names


def fitted_with(*stages: Stage) -> tuple[Annotator, ...]:
    """Return whose scores these finders' directions were fitted on, or chosen by; none for unsupervised directions."""
    return tuple(dict.fromkeys(each for stage in stages for each in getattr(stage, "fitted_with", ())))


def check_independent(judges: tuple[Annotator, ...], finder: Stage, allowed: tuple[str, ...] = ()) -> None:
    """Raise UserError where a judge's scores are what the directions were made by, unless it is allowed to by name."""
    for judge in judges:
        if judge.name not in allowed and any(same_network(judge, annotator) for annotator in fitted_with(finder)):
            raise UserError(
                f"{judge.name!r} annotated the samples that {finder.name} is fitted on, or chosen by, so it cannot judge them.\n"
                "Choose another judge: one network's blind spots would count as success. To have it judge all the same, "
                f"allow it by name: `allow_judge` {judge.name}."
            )


def write_directions(out: Path, stage: Stage, vectors: dict[str, np.ndarray], rows: list[Row]) -> None:
    """Write directions: `vectors` by name, each (T, *shape of h); `rows` what the schema asks for beyond norms and stage.

    A row that names no capture point is of the mid block. A direction of an attribute points to more of it. Any other has the sign
    by which its entry of all steps that is largest in magnitude is positive.
    """
    free = {row["name"] for row in rows if row.get("attribute") is None}
    vectors = {name: signed(v[None])[0] if name in free else v for name, v in vectors.items()}
    for name, vector in vectors.items():
        if not np.isfinite(vector).all() or not vector.any():
            raise UserError(
                f"{name} came out as no direction: zero, or not finite. Take more samples, or leave it out."
            )
    measured = [{"capture": MID_BLOCK, **row, "stage": stage.folder, **_norms(vectors[row["name"]])} for row in rows]
    write_table(out / TABLE, table_of(measured, DIRECTIONS))
    write_vectors(out / VECTORS, vectors)


def read_rows(store: Store, finders: tuple[Stage, ...]) -> list[Row]:
    """The rows of several finders, in their order."""
    return [row for finder in finders for row in _rows(store, finder)]


def read_directions(store: Store, finders: tuple[Stage, ...]) -> tuple[list[Row], dict[str, np.ndarray]]:
    """The rows and vectors of several finders, in their order."""
    rows: list[Row] = []
    vectors: dict[str, np.ndarray] = {}
    for finder in finders:
        own = _rows(store, finder)
        rows += own
        vectors |= _vectors(store, finder, own)
    return rows, vectors


def _rows(store: Store, finder: Stage) -> list[Row]:
    """The rows of a finder, with the columns of today. Raises UserError for those of other directions than it makes."""
    table = store.table(finder, TABLE)
    if why := reading.unlike(table, name=names_of(finder)):
        raise reading.other(store, finder, TABLE, 0, why)
    return [{column: row.get(column) for column in DIRECTIONS.names} for row in table.to_pylist()]


def _vectors(store: Store, finder: Stage, rows: list[Row]) -> dict[str, np.ndarray]:
    """The vectors of a finder. Raises UserError for others than its rows say the norms of."""
    vectors = store.vectors(finder, VECTORS)
    why = reading.unlike({"name": np.array(sorted(vectors))}, name=sorted(names_of(finder)))
    for row in () if why else rows:
        found, said = _norms(vectors[row["name"]])["norm_by_step"], row["norm_by_step"]
        if len(found) != len(said) or not np.allclose(found, said, NEARLY, 0):
            why = f"{row['name']} has other norms than {TABLE} says"
    if why:
        raise reading.other(store, finder, VECTORS, 0, why)
    return vectors


def _norms(vector: np.ndarray) -> Row:
    by_step = np.linalg.norm(vector.reshape(len(vector), -1).astype(np.float64), axis=1)
    return {"norm": float(np.linalg.norm(by_step)), "norm_by_step": by_step.tolist()}
