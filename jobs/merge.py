"""Catalogs of one model into one: `python -m jobs.merge A B ... --out FOLDER`.

Exit codes: 0 published; 2 they cannot be merged, and nothing is.
"""

from pathlib import Path
from typing import Annotated

import typer

from jobs.printing import console, for_people, print_json, refuse
from pipeline.catalog.merge.merged import merge
from pipeline.errors import UserError

CATALOGS = Annotated[list[Path], typer.Argument(metavar="A B ...", help="Folders of catalogs.", show_default=False)]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, all else on errors.")]
OUT = Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to publish, which is not there yet.")]


def merge_catalogs(catalogs: CATALOGS, out: OUT, json: JSON = False) -> None:
    """Merge catalogs of one model: every direction once, with where it came from; nothing is measured again."""
    for_people(json)
    try:
        merged = merge(catalogs, out)
    except UserError as error:
        refuse(error)
        raise typer.Exit(2) from None
    origin = merged.table("provenance.parquet")
    for name, own in origin.groupby("catalog", sort=False):
        renamed = own[own["direction"] != own["name"]]
        console.print(f"{name}: {len(own)} directions, {len(renamed)} by another name")
        for direction, before in zip(renamed["direction"], renamed["name"], strict=True):
            console.print(f"  {before} is {direction}")
    console.print(f"Catalog: {out}")
    if json:
        print_json({"catalog": str(out), "directions": origin.to_dict("records")})


if __name__ == "__main__":
    typer.run(merge_catalogs)
