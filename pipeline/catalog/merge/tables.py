"""The tables of catalogs as one: the rows of what is published, by the names and numbers that it has then. No figure changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.catalog.merge.naming import Naming
from pipeline.catalog.merge.sources import MergeSource
from pipeline.errors import UserError
from schemas.columns import table_of
from schemas.provenance import PROVENANCE
from schemas.published import TABLES
from schemas.thumbnails import SAMPLE

NAMING = {  # the columns of each table that name directions; the first says which its rows are of
    "directions.parquet": ("name", "parents"),
    "effects.parquet": ("direction",),
    "profiles.parquet": ("direction", "nearest"),
    "verified.parquet": ("direction",),
    "confirmed.parquet": ("direction",),
    "best.parquet": ("direction",),
    "selection.parquet": ("direction",),
    "samplers.parquet": ("direction",),
    "preservation.parquet": ("direction",),
    "cosines.parquet": ("direction", "other"),
    "transfer.parquet": ("direction",),
    "locality.parquet": ("direction",),
    "thumbnails.parquet": ("direction",),
}
OF_ONE = (
    "learning_curve.parquet",
    "carriage.parquet",
    "choice.parquet",
)  # of attributes and points: of the first that has them


@dataclass(frozen=True)
class Merging:
    """One catalog on its way into a merge."""

    source: MergeSource
    naming: Naming
    evaluations: Mapping[int, int]  # the numbers of those that are published, by those that they had
    first: bool

    def table(self, name: str) -> pa.Table:
        """Return the rows of a table that are published. Raises UserError where it is not as this release writes it."""
        table = self.source.catalog.arrow(name)
        wanted, there = TABLES[name], set(table.schema.names)
        if not there <= set(wanted.names) or any(not field.nullable for field in wanted if field.name not in there):
            raise UserError(
                f"{self.source.folder}/{name} has the columns {', '.join(table.schema.names)}: expected "
                f"{', '.join(TABLES[name].names)}.\nPublish the catalog again with this release."
            )
        for field in wanted:  # what earlier releases did not measure is not known
            if field.name not in there:
                table = table.append_column(field, pa.nulls(table.num_rows, field.type))
        table = table.select(wanted.names)
        told = [each for each in (NAMING[name][0], "other", "of", "evaluation") if each in table.schema.names]
        rows = table.select(told).to_pylist()
        table = table.filter(pa.array([self._is_published(name, row) for row in rows], pa.bool_()))
        for column in NAMING[name]:
            table = _changed(table, column, self._renamed)
        if "evaluation" in table.schema.names:
            table = _changed(table, "evaluation", lambda number: None if number is None else self.evaluations[number])
        return table.cast(TABLES[name])

    def _is_published(self, name: str, row: dict[str, Any]) -> bool:
        """Whether a row is of what is published, or, as those of random directions and unedited samples, of what goes with it."""
        if row.get("of") == SAMPLE:
            return self.first
        if row.get("evaluation") is not None and row["evaluation"] not in self.evaluations:
            return False
        of = row[NAMING[name][0]]
        published = self.naming.published
        return of not in self.naming.names or of in published or row.get("other") in published

    def _renamed(self, value: Any) -> Any:
        return [self.naming(each) for each in value] if isinstance(value, list) else self.naming(value)


def tables(merging: Sequence[Merging]) -> Iterator[tuple[str, pa.Table]]:
    """Yield every table of the merged catalog by the name of its file."""
    for name in NAMING:
        having = [each for each in merging if name in each.source.catalog.files]
        if having:
            yield name, pa.concat_tables([each.table(name) for each in having])
    for name in OF_ONE:
        if having := [each for each in merging if name in each.source.catalog.files]:
            yield name, having[0].source.catalog.arrow(name)
    yield "provenance.parquet", table_of([row for each in merging for row in _provenance(each)], PROVENANCE)


def _provenance(merging: Merging) -> Iterator[dict[str, Any]]:
    """Where each direction came from: of a catalog that was merged itself, where it came from before."""
    source = merging.source
    before = {}
    if "provenance.parquet" in source.catalog.files:
        before = {row["direction"]: row for row in source.catalog.arrow("provenance.parquet").to_pylist()}
    for row in source.rows:
        if (name := row["name"]) not in merging.naming.published:
            continue
        here = {"direction": merging.naming(name), "catalog": source.name}
        if name in before:
            yield {**before[name], **here, "catalog": f"{source.name}/{before[name]['catalog']}"}
        else:
            more = {"sha256sums": source.sha256sums, "stage": row["stage"], "seed": source.about.sampling.seed}
            yield {**here, "name": name, **more}


def _changed(table: pa.Table, column: str, change: Any) -> pa.Table:
    """The table with every value of a column changed."""
    place, field = table.schema.get_field_index(column), table.schema.field(column)
    values = pa.array([change(value) for value in table[column].to_pylist()], field.type)
    return table.set_column(place, field, values)
