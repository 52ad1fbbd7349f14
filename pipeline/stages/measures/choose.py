"""Choose: at which capture point each attribute's direction is best."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.engine.stage import Need, Stage, whole
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.formats.parquet import write_table
from pipeline.metrics.choice import Tried, ranked, tried
from pipeline.stages import reading
from pipeline.stages.finders.finder import Row, read_rows
from pipeline.stages.measures.carriage import Carriage
from pipeline.stages.measures.edit_at_points import EditAtPoints
from pipeline.stages.measures.evaluate import Evaluate
from schemas.choice import CHOICE
from schemas.columns import table_of


@dataclass(frozen=True)
class Choose(Stage):
    """`choice.parquet`: the directions of each attribute at several points, the best first, by metrics/choice.py's rule."""

    version: ClassVar[int] = 2

    evaluate: Evaluate  # of directions at the points, in the order of a pass, by who labelled
    carriage: Carriage  # what swaps at the points take

    def needs(self, part: int) -> Iterator[Need]:
        return whole(*self.inputs, *self.evaluate.edit.finders)

    def check(self) -> None:
        if not isinstance(self.evaluate.edit, EditAtPoints):
            raise UserError(
                "Points are chosen on samples that strengths are not chosen on: give an evaluation of EditAtPoints."
            )
        if any(finder.name == "random-directions" for finder in self.evaluate.edit.finders):
            raise UserError("Points are chosen by directions that are found there: leave random ones out.")

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        responses = self.evaluate.responses(store)
        preserved = reading.table(store, self.evaluate, "preservation.parquet").to_pandas()
        pasted = {name: own.sort_values("strength") for name, own in preserved.groupby("direction")}
        carried = self.carriage.shares(store)
        at_points: dict[str, dict[str, list[tuple[Row, Tried]]]] = {}  # by attribute and point, in the order of a pass
        for row in read_rows(store, self.evaluate.edit.finders):
            same = pasted[row["name"]]["pasted"].to_numpy(float)
            found = tried(responses[row["name"]], row["attribute"], same)
            at_points.setdefault(row["attribute"], {}).setdefault(row["capture"], []).append((row, found))
        best = [[_best(each) for each in of_attribute.values()] for of_attribute in at_points.values()]
        rows = [each for found in best for each in self._rows(found, carried)]
        write_table(out / "choice.parquet", table_of(rows, CHOICE))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        found = ((row["attribute"], row["capture"]) for row in read_rows(store, self.evaluate.edit.finders))
        return reading.unlike_in_any_order(read, **reading.columns(dict.fromkeys(found), "attribute", "point"))

    def _rows(self, found: list[tuple[Row, Tried]], carried: dict[tuple[str, str], float]) -> Iterator[dict[str, Any]]:
        for rank, i in enumerate(ranked([each for _, each in found]), 1):
            row, each = found[i]
            yield {
                "attribute": row["attribute"],
                "point": row["capture"],
                "direction": row["name"],
                "chosen": rank == 1,
                "rank": rank,
                "carried": carried.get((row["capture"], row["attribute"])),
                "strength": each.strength,
                "on_target": each.on_target,
                "off_target": each.off_target,
                "pasted": None if np.isnan(each.pasted) else each.pasted,
                "n": self.evaluate.edit.samples_each,
            }

    def points(self, store: Store) -> dict[str, str]:
        """Return the chosen point of each attribute."""
        table = reading.table(store, self, "choice.parquet").to_pylist()
        return {row["attribute"]: row["point"] for row in table if row["chosen"]}


def _best(found: list[tuple[Row, Tried]]) -> tuple[Row, Tried]:
    """The best of an attribute's directions at one point."""
    return found[ranked([each for _, each in found])[0]]
