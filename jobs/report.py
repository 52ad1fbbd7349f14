"""The report of a published catalog, made again from its folder alone: `python -m jobs.report CATALOG`."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.printing import console, refuse
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.report.page import page
from pipeline.catalog.report.read import findings
from pipeline.errors import UserError


def report(
    catalog: Annotated[Path, typer.Argument(help="Folder that holds catalog.json.")],
    to: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
) -> None:
    """Write the report of a catalog as one HTML page."""
    try:
        text = page(findings(DirectionCatalog.open(catalog)))
        to.write_text(text, encoding="utf-8")
    except UserError as error:
        refuse(error)
        raise typer.Exit(2) from None
    except OSError as error:
        refuse(UserError(f"{to} cannot be written ({error.strerror}). Name another file with --to."))
        raise typer.Exit(2) from None
    console.print(f"Report:  {to}")


if __name__ == "__main__":
    typer.run(report)
