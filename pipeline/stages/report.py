"""Report: one HTML page that shows what the directions of a catalog do. It opens from disk and asks for nothing."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.report.page import page
from pipeline.catalog.report.read import findings
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.stages.publish import Catalog


@dataclass(frozen=True)
class Report(Stage):
    """`report.html`: the catalog's directions, their edits and their effects."""

    version: ClassVar[int] = 8  # raised with every change of the markup

    catalog: Catalog

    def part_bytes(self) -> int:
        return self.catalog.part_bytes()

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        files = frozenset(store.record(self.catalog, 0)["files"])
        catalog = DirectionCatalog(partial(store.read, self.catalog), files)
        (out / "report.html").write_text(page(findings(catalog)), encoding="utf-8")
