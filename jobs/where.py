"""Where a job works, which changes nothing of what it makes."""

from pathlib import Path
from typing import Annotated, NamedTuple

from typer import Option

from pipeline.errors import UserError

WORKERS = (
    "Worker processes; 0 works in this process, without Ray. "
    "Where there are GPUs, at most so many with a GPU each, and as many without."
)


class Where(NamedTuple):
    """The options that every job has beside the settings of its run."""

    root: Annotated[Path, Option(help="Folder for everything that is made.")]
    workers: Annotated[int | None, Option(help=WORKERS)] = None
    address: Annotated[str | None, Option(help="Ray cluster; without it, Ray starts on this machine.")] = None
    plan: Annotated[bool, Option("--plan", help="Print what would be made, and stop.")] = False


def check_where(where: Where) -> None:
    """Raise UserError where the work cannot be done as asked."""
    root, workers, address, _ = where
    if workers is not None and workers < 0:
        raise UserError(f"{workers} workers: expected at least 1, or 0 to work in this process.")
    if address is not None and workers == 0:
        raise UserError(
            f"--workers 0 works in this process, and --address {address} on a cluster.\nLeave one of them out."
        )
    if address is not None and not root.is_absolute():
        raise UserError(
            f"--root {root} is relative, and workers of the cluster at {address} would each find it in a folder of their own.\n"
            "Give --root as the absolute path of a folder that this machine and all workers share, such as a network disk."
        )
