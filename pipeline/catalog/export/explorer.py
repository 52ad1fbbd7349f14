"""Export to the explorer: the pages of a catalog, which open from disk and from any web server.

FOLDER/index.html     the first of them
"""

from pathlib import Path

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.explorer.read import findings
from pipeline.catalog.explorer.site import write as write_pages


def write(catalog: DirectionCatalog, out: Path) -> None:
    """Write the pages of a catalog into an empty folder."""
    write_pages(findings(catalog), out)
