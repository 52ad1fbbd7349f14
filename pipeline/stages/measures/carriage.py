"""Carriage: where in the network attributes are carried, and when: what a swap of h between two samples takes with it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.annotators.base import Annotator
from pipeline.annotators.regions import Mask
from pipeline.engine.stage import ON_BEHALF, Need, Stage
from pipeline.engine.store import Store
from pipeline.fingerprint import PART_BY_PART
from pipeline.stages.sources.source import Source


@dataclass(frozen=True)
class Carriage(Stage):
    """`carriage.parquet`: how far swaps of h go, by capture point and third of the steps."""

    sample: Source = field(metadata={**ON_BEHALF, **PART_BY_PART})  # how samples are made; it is not made itself
    points: tuple[str, ...]  # in the order of a pass
    annotator: Annotator | None  # whose scores say what is carried
    n: int = 64  # samples
    foreground: Mask | None = None

    def needs(self, part: int) -> Iterator[Need]:
        return iter(())

    def shares(self, store: Store) -> dict[tuple[str, str], float]:
        """Return how far swaps in all steps go, by point and what is looked at."""
        table = store.table(self, "carriage.parquet").to_pylist()
        return {(row["point"], row["what"]): row["share"] for row in table if row["third"] is None}
