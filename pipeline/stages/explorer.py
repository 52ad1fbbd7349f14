"""Explorer: pages that show what the directions of a catalog do. They open from disk and ask for nothing."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.explorer.read import findings
from pipeline.catalog.explorer.site import write
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.stages.publish import Catalog


@dataclass(frozen=True)
class Explorer(Stage):
    """A folder of pages, `index.html` the first: the catalog's directions, their edits and their effects."""

    version: ClassVar[int] = 4  # raised with every change of the markup

    catalog: Catalog

    def part_bytes(self) -> int:
        return self.catalog.part_bytes()

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        files = frozenset(store.record(self.catalog, 0)["files"])
        write(findings(DirectionCatalog(partial(store.read, self.catalog), files)), out)
