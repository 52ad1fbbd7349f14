"""Free what no finished run needs, or only say what that would be: `python -m jobs.clean ROOT [--keep N] [--delete]`."""

from typing import Annotated

import typer

from jobs.command_line import main
from jobs.printing import console, refuse
from jobs.runs import ROOT, finished, kept
from jobs.verify import held_in
from pipeline.engine.filesystem import MARKS, Filesystem
from pipeline.engine.plan import GIGABYTE
from pipeline.engine.roots import opened
from pipeline.errors import UserError

KEEP = Annotated[int | None, typer.Option(min=0, help="How many results to keep, the newest; without, all of them.")]
DELETE = Annotated[bool, typer.Option("--delete", help="Remove what is listed.")]
BUSY = Annotated[bool, typer.Option("--even-if-busy", help="Remove it although a run seems to go on in this root.")]


def clean(root: ROOT, keep: KEEP = None, delete: DELETE = False, even_if_busy: BUSY = False) -> None:
    """List what no finished run needs: unfinished and superseded work, and what killed writers left. Remove it with --delete."""
    try:
        files = opened(root)
        if delete:  # before the look, and after it: what ends or begins meanwhile is seen by one of them
            _check_idle(files, even_if_busy)
        free = _free(files, keep)
        if delete:
            _check_idle(files, even_if_busy)
        for name, size in free.items():
            console.print(f"{size / GIGABYTE:8.3f} GB  {name}")
            if delete:
                files.remove(name)
        if delete:
            files.clear_scratch()
            if even_if_busy:
                files.remove(MARKS)
    except UserError as error:
        refuse(error)
        raise typer.Exit(2) from None
    total = f"{sum(free.values()) / GIGABYTE:.3f} GB in {len(free)} folders"
    console.print(f"Removed: {total}." if delete else f"No finished run needs {total}. Remove it with --delete.")


def _free(files: Filesystem, keep: int | None) -> dict[str, int]:
    """What is not needed, and its bytes, by folder: stages first, then what belongs to no part of those that stay."""
    held = held_in(files)
    stay = kept(finished(held)[:keep], held)
    stages = {each.folder: each.bytes for each in held if each.folder not in stay}
    strays = {
        f"{each.folder}/{name}": size for each in held if each.folder in stay for name, size in each.strays.items()
    }
    return {**stages, **strays}


def _check_idle(files: Filesystem, even_if_busy: bool) -> None:
    """Raise UserError where a run goes on: what it has made so far is of no finished run yet."""
    if not even_if_busy and (found := files.at_work()):
        raise UserError(
            f"A run seems to go on in {files.address}: {found}.\nWait for its end; or, where there is none, give --even-if-busy."
        )


if __name__ == "__main__":
    main(clean)
