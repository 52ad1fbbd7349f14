"""A published catalog in the format of another tool: `python -m jobs.export CATALOG --to FORMAT --out FOLDER`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.printing import console, refuse
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.export.formats import FORMATS
from pipeline.catalog.export.formats import export as export_to
from pipeline.errors import UserError

Text = str | None
CATALOG = "Folder that holds catalog.json, OWNER/NAME on the hub, or s3://BUCKET/FOLDER."
OF_HUB, OF_DATASET = "With --to hub", "With --to dataset"
FORMAT = f"What to make: {'; '.join(f'{name}, {what}' for name, what in FORMATS.items())}."
OUT = "The folder to make. It is not there yet, or is an earlier export of this kind, which is replaced."
ROOT = "Where the run that made the catalog keeps its parts: its --root."
PUSH = "Upload it to this repository, which is made unless it is there, with the token in HF_TOKEN."
BASE = "The model on the hub, where the catalog does not say it."
LICENSE = "The license of the directions, by the hub's name for it, such as apache-2.0."


def export(
    catalog: Annotated[str, typer.Argument(help=CATALOG, show_default=False)],
    to: Annotated[str, typer.Option(metavar="FORMAT", help=FORMAT, show_default=False)],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help=OUT, show_default=False)],
    root: Annotated[Text, typer.Option(metavar="FOLDER", help=ROOT, rich_help_panel=OF_DATASET)] = None,
    push: Annotated[Text, typer.Option(metavar="OWNER/NAME", help=PUSH, rich_help_panel=OF_HUB)] = None,
    private: Annotated[bool, typer.Option("--private", help="Make it private.", rich_help_panel=OF_HUB)] = False,
    base_model: Annotated[Text, typer.Option(metavar="OWNER/NAME", help=BASE, rich_help_panel=OF_HUB)] = None,
    license: Annotated[Text, typer.Option(metavar="ID", help=LICENSE, rich_help_panel=OF_HUB)] = None,
) -> None:
    """Write a catalog as the folder of another format, whole or not at all, and upload it where that is asked for."""
    of_hub = {"push": push, "private": private, "base_model": base_model, "license": license}
    try:
        _check(to, {name for name, value in of_hub.items() if value}, root, catalog, out)
        opened = DirectionCatalog.from_pretrained(catalog)
        export_to(opened, to, out, **_options(opened, to, root, push, base_model, license))
        console.print(f"Export:  {out}")
        if push:
            from pipeline.catalog.export.push import push as upload  # the hub's client is loaded where it is needed

            console.print(f"Commit:  {upload(out, push, private)}")
    except UserError as error:
        refuse(error)
        raise typer.Exit(2) from None


def _options(
    catalog: DirectionCatalog, to: str, root: Text, push: Text, base_model: Text, license: Text
) -> dict[str, Any]:
    """What the format is told beside the catalog."""
    if to == "dataset":
        from pipeline.recipes.stored_samples import stored_samples  # with the engine, which no other format needs

        return {"parts": stored_samples(str(root), catalog.about)}
    return {"repository": push or "OWNER/NAME", "base_model": base_model, "license": license} if to == "hub" else {}


def _check(to: str, of_hub: set[str], root: Text, catalog: str, out: Path) -> None:
    """Raise UserError for options that do not go together."""
    if of_hub and to != "hub":
        raise UserError(f"--{sorted(of_hub)[0].replace('_', '-')} is of --to hub, and this is --to {to}: leave it out.")
    if (to == "dataset") != (root is not None):
        raise UserError(
            "--to dataset needs --root, the root of the run that made the catalog; no other format reads it."
        )
    if out.resolve().is_relative_to(Path(catalog).resolve()):
        raise UserError(f"--out {out} is the catalog, or lies in it. Name a folder elsewhere.")


if __name__ == "__main__":
    typer.run(export)
