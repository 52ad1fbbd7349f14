"""Where a job works and what it prints, which changes nothing of what it makes."""

from pathlib import Path
from typing import Annotated, NamedTuple

from typer import Option

from pipeline.engine.ray_start import cluster_address
from pipeline.engine.roots import is_local, normal
from pipeline.errors import UserError

GROUP = "Where to work, and what to print"
REPAIR = "First check every byte of what is there, and make again what is damaged."
WORKERS = (
    "Worker processes; 0 works in this process, without Ray. "
    "Where there are GPUs, at most so many with a GPU each, and as many without."
)
ROOT = "Folder for everything that is made, or one in a bucket: s3://BUCKET/FOLDER, gs://, az://."
ADDRESS = (
    "Ray cluster; without it, the one that RAY_ADDRESS names, or else a Ray that starts on this machine. "
    "'local' always does that."
)


class Where(NamedTuple):
    """The options that every job has beside the settings of its run."""

    root: Annotated[str, Option(metavar="FOLDER", rich_help_panel=GROUP, help=ROOT)]
    workers: Annotated[int | None, Option(metavar="INTEGER", rich_help_panel=GROUP, help=WORKERS)] = None
    address: Annotated[str | None, Option(metavar="HOST:PORT", rich_help_panel=GROUP, help=ADDRESS)] = None
    repair: Annotated[bool, Option("--repair", rich_help_panel=GROUP, help=REPAIR)] = False
    plan: Annotated[bool, Option("--plan", rich_help_panel=GROUP, help="Print what would be made, and stop.")] = False
    time: Annotated[
        bool, Option("--time", rich_help_panel=GROUP, help="With --plan: also how long it takes, from a timed batch.")
    ] = False
    json: Annotated[
        bool,
        Option("--json", rich_help_panel=GROUP, help="Print one JSON object on standard output, all else on errors."),
    ] = False
    preflight: Annotated[
        bool,
        Option(
            "--preflight",
            rich_help_panel=GROUP,
            help="Look at every machine of the cluster before the work, and leave what was found in the root.",
        ),
    ] = False


def check_where(where: Where) -> None:
    """Raise UserError where the work cannot be done as asked."""
    root, workers, address = where.root, where.workers, where.address
    local = Path(normal(root)) if is_local(root) else None
    if local and Path.cwd().is_relative_to(local.resolve()):
        raise UserError(
            f"--root {root} is the folder that you stand in, or holds it. Name one of its own for what is made, such as runs/mine."
        )
    if workers is not None and workers < 0:
        raise UserError(f"{workers} workers: expected at least 1, or 0 to work in this process.")
    if address is not None and workers == 0:
        raise UserError(
            f"--workers 0 works in this process, and --address {address} on a cluster.\nLeave one of them out."
        )
    if normal(root).startswith("memory:") and workers != 0:
        raise UserError(f"--root {root} is memory of this process, which workers do not share: give --workers 0, too.")
    cluster = None if workers == 0 else cluster_address(address)
    if cluster and local and not local.is_absolute():
        raise UserError(
            f"--root {root} is relative, and workers of the cluster at {cluster} would each find it in a folder of their own.\n"
            "Give --root as the absolute path of a folder that this machine and all workers share, such as a network disk,\n"
            "or as a bucket: s3://BUCKET/FOLDER."
        )
    if where.plan and where.repair:
        raise UserError("--plan changes nothing, and --repair takes out what is damaged: give one of them.")
    if where.preflight and not cluster:
        raise UserError("--preflight looks at the machines of a cluster: give its --address, and no --workers 0.")
    if where.time and not where.plan:
        raise UserError("--time says how long a plan would take: give --plan, too.")
