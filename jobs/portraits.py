"""The bundled portraits, from noise to a published catalog: `make demo`, or `python -m jobs.portraits`."""

from pathlib import Path
from typing import Any

from jobs.command_line import main
from jobs.directions import make_catalog
from jobs.options import options
from jobs.where import Where
from pipeline.domains.portraits.run import PORTRAITS


@options(root="runs/portraits", defaults=PORTRAITS)
def portraits(run: Path | None, given: dict[str, Any], where: Where) -> None:
    """Make a measured direction catalog of the bundled portraits, and an explorer to look at it with."""
    make_catalog(run, given, where, PORTRAITS)


if __name__ == "__main__":
    main(portraits)
