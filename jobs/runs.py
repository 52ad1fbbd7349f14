"""What runs a root holds: `python -m jobs.runs ROOT`."""

import json as text
from typing import Annotated, Any

import typer
from rich.table import Table

from jobs.command_line import main
from jobs.printing import console, for_people, print_json, refuse
from jobs.verify import JSON, held_in
from pipeline.engine.filesystem import Filesystem
from pipeline.engine.holdings import Held, needed
from pipeline.engine.plan import GIGABYTE
from pipeline.engine.roots import opened
from pipeline.errors import UserError

RESULTS = ("catalog", "publish-annotations", "carriage")  # stages that a job ends with, but for its page
ONCE = ("dtypes",)  # stages that settle what later runs of the root go by, too

ROOT = Annotated[str, typer.Argument(metavar="ROOT", help="The root that jobs were given.", show_default=False)]


def runs(root: ROOT, json: JSON = False) -> None:
    """List what jobs have finished in a root, the newest first, and what belongs to nothing that is finished."""
    for_people(json)
    try:
        files = opened(root)
        held = held_in(files)
        rows = [_row(files, each, held) for each in finished(held)]
    except UserError as error:
        refuse(error)
        raise typer.Exit(2) from None
    rest = [each for each in held if each.folder not in kept(finished(held), held)]
    if json:
        unfinished = [{"folder": each.folder, "parts": len(each.records), "bytes": each.bytes} for each in rest]
        print_json({"root": files.address, "finished": rows, "unfinished": unfinished})
    table = Table("made", "what", "of", "GB with all it read", "where", box=None, header_style="bold")
    for row in rows:
        table.add_row(row["made"], row["stage"], row["of"], f"{row['bytes'] / GIGABYTE:.2f}", row["where"])
    console.print(table if rows else f"{files.address} holds nothing that is finished.")
    if rows and files.listing("catalog"):
        console.print(f"The newest catalog is always at {files.address}/catalog.")
    for each in rest:
        size = f"{len(each.records)} parts, {each.bytes / GIGABYTE:.2f} GB"
        console.print(f"Of no finished run: {each.folder}, {size}")


def finished(held: list[Held]) -> list[Held]:
    """What jobs have ended with, the newest first."""
    found = [each for each in held if each.name in RESULTS and each.records]
    return sorted(found, key=lambda each: each.time, reverse=True)


def kept(results: list[Held], held: list[Held]) -> set[str]:
    """The folders that some results need, those of their pages, what later runs go by, and those of which nothing can be told."""
    found = needed([each.folder for each in results], held)
    ends = {each.folder for each in results}
    pages = {each.folder for each in held if each.reads and each.reads <= ends}
    return found | pages | {each.folder for each in held if each.reads is None or each.name in ONCE}


def _row(files: Filesystem, result: Held, held: list[Held]) -> dict[str, Any]:
    below = needed([result.folder], held)
    [record] = list(result.records.values())[:1]
    where = f"{files.address}/{result.folder}/{record['folder']}"
    size = sum(each.bytes for each in held if each.folder in below)
    about = {"of": _model(files, f"{result.folder}/{record['folder']}"), "bytes": size, "where": where}
    return {"made": result.time, "stage": result.name, "folder": result.folder, **about}


def _model(files: Filesystem, folder: str) -> str:
    """The model that a catalog is of; nothing for any other result."""
    try:
        return str(text.loads(files.read(f"{folder}/catalog.json"))["model"]["name"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ""


if __name__ == "__main__":
    main(runs)
