"""Whether what lies in a root is as it was written: `python -m jobs.verify ROOT [--deep] [--repair]`.

Exit codes: 0 all is well, or was taken out to be made again; 1 something is damaged; 2 the root cannot be looked at.
"""

from typing import Annotated

import typer

from jobs.command_line import main
from jobs.printing import console, errors, for_people, print_json, refuse
from pipeline.engine.filesystem import Filesystem
from pipeline.engine.holdings import Fault, Held, damage, holdings, take_out
from pipeline.engine.plan import GIGABYTE
from pipeline.engine.roots import opened
from pipeline.errors import UserError

ROOT = Annotated[str, typer.Argument(metavar="ROOT", help="The root that a job was given.", show_default=False)]
DEEP = Annotated[bool, typer.Option("--deep", help="Look at every byte, and not at records and sizes alone.")]
REPAIR = Annotated[
    bool, typer.Option("--repair", help="Take damaged parts out: the same job makes again what it needs of them.")
]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, all else on errors.")]


def verify(root: ROOT, deep: DEEP = False, repair: REPAIR = False, json: JSON = False) -> None:
    """Check the parts of every stage in a root against their records, and name what is damaged."""
    for_people(json)
    try:
        files = opened(root)
        held = held_in(files)
        faults = [found for each in held for found in _look(files, each, deep)]
        for each in faults if repair else []:
            take_out(files, each)
    except UserError as error:
        refuse(error)
        raise typer.Exit(2) from None
    parts = sum(len(each.records) for each in held)
    if json:
        print_json({"root": files.address, "parts": parts, "deep": deep, "faults": [vars(each) for each in faults]})
    told = f"{parts} parts of {len(held)} stages, {sum(each.bytes for each in held) / GIGABYTE:.2f} GB"
    if not faults:
        console.print(f"{told}: {'every byte is' if deep else 'records and sizes are'} as written.")
    elif repair:
        console.print(
            f"{told}: {len(faults)} faults; what was damaged is taken out. Run the same jobs again to make what they need of it."
        )
    else:
        errors.print(f"{told}: {len(faults)} faults. With --repair what is damaged is taken out, to be made again.")
        raise typer.Exit(1)


def held_in(files: Filesystem) -> list[Held]:
    """The stages in a root. Raises UserError where there are none."""
    if not (held := holdings(files)):
        raise UserError(f"{files.address} holds nothing that a job made.\nGive the --root of a job.")
    return held


def _look(files: Filesystem, held: Held, deep: bool) -> list[Fault]:
    """What is wrong with a stage, printed as it is found."""
    found = [*held.faults, *(damage(files, held) if deep else ())]
    for each in found:
        errors.print(f"{files.address}/{each.stage}: {each.why}")
    return found


if __name__ == "__main__":
    main(verify)
