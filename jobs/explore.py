"""A catalog, explored: `python -m jobs.explore CATALOG` serves its pages, and one whose sliders edit new samples.

It listens on this machine alone, unless another --host is named: then it asks for a token, which is in the address that is printed.
"""

import asyncio
import os
import sys
import webbrowser
from pathlib import Path
from socket import gethostname, socket
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from jobs.command_line import main
from jobs.printing import console, errors, refuse
from jobs.stopping import ENDED, STOPPED, ended_by_signal
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.errors import UserError
from pipeline.live.listening import listen

if TYPE_CHECKING:
    from pipeline.live.as_python import Source
    from pipeline.live.server import Live
    from pipeline.recipes.applied import Applier

CATALOG = "Folder that holds catalog.json, OWNER/NAME on the hub, or s3://BUCKET/FOLDER."
PORT = "Where to listen; 0 is any port that is free."
HOST = "Name or address to listen on. Any but this machine's own is for whoever has the token."
MODEL = "The model's folder or repository, where it is not where the catalog says."
CONDITION = "File with the embedding that the catalog's samples were made under, where they had one."
DEVICE = "cpu, cuda or cuda:1; a GPU where there is one."


def explore(
    catalog: Annotated[str, Argument(help=CATALOG, show_default=False)],
    port: Annotated[int, Option(min=0, max=65535, help=PORT)] = 8765,
    host: Annotated[str, Option(metavar="NAME", help=HOST)] = "127.0.0.1",
    model: Annotated[str | None, Option(metavar="FOLDER", help=MODEL, show_default=False)] = None,
    condition: Annotated[Path | None, Option(metavar="FILE", help=CONDITION, show_default=False)] = None,
    device: Annotated[str | None, Option(metavar="NAME", help=DEVICE, show_default=False)] = None,
    open: Annotated[bool, Option(help="Open it in a browser.")] = True,
) -> None:
    """Serve a catalog's pages, and a page whose sliders edit new samples, until Ctrl-C."""
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "PASSIVE"
    )  # threads that spin while they wait halve a machine that does more
    try:
        with ended_by_signal(), TemporaryDirectory(prefix="hspace-explore-") as folder, listen(host, port) as listening:
            opened = DirectionCatalog.from_pretrained(catalog)
            live = _live(opened, Path(folder), host, model, condition, device)
            asyncio.run(_serve(live, host, listening, open))
    except UserError as error:
        refuse(error)
        raise typer.Exit(2) from None
    except (KeyboardInterrupt, SystemExit) as stop:
        errors.print("\nStopped.")
        raise typer.Exit(STOPPED if isinstance(stop, KeyboardInterrupt) else ENDED) from None


def _live(
    catalog: DirectionCatalog, folder: Path, host: str, model: str | None, condition: Path | None, device: str | None
) -> "Live":
    from pipeline.live.as_python import Source  # with the networks' libraries, which take seconds
    from pipeline.live.guard import Guard, is_loopback, new_token
    from pipeline.live.server import Live

    _write_pages(catalog, folder, live=True)
    whole = str(Path(model).absolute()) if model and Path(model).exists() else model
    source = Source(catalog.address, whole, str(condition.absolute()) if condition else None, device)
    applier, missing = _applier(catalog, source)
    return Live(catalog, folder, source, applier, missing, Guard(None if is_loopback(host) else new_token()))


def _write_pages(catalog: DirectionCatalog, folder: Path, live: bool) -> None:
    """Write the pages that need no server. live: whether they lead to the one that does."""
    from pipeline.catalog.explorer.read import findings
    from pipeline.catalog.explorer.site import write

    write(findings(catalog), folder, live)


def _applier(catalog: DirectionCatalog, source: "Source") -> "tuple[Applier | None, str]":
    """The catalog's model, loaded; or why it cannot be, which is an error only where it was asked for by name."""
    from pipeline.recipes.applied import Applier

    try:
        return Applier.of(catalog, source.model, source.condition, source.device), ""
    except UserError as error:
        if any(source[1:]):
            raise
        errors.print(f"No model, so no sliders: {error}\nThe pages of the catalog are served all the same.")
        return None, str(error)


async def _serve(live: "Live", host: str, listening: socket, open_: bool) -> None:
    from pipeline.live.server import served

    async with served(live, listening):
        address = _address(host, listening.getsockname()[1], live.guard.token)
        if live.guard.token:
            errors.print("It is reached from elsewhere, unencrypted: whoever has its address may use this machine.")
        console.print(f"Explore: {address}\nCtrl-C ends it.")
        if open_ and (sys.platform != "linux" or {"DISPLAY", "WAYLAND_DISPLAY"} & {*os.environ}):  # no browser of text
            webbrowser.open(address)
        await asyncio.Event().wait()


def _address(host: str, port: int, token: str | None) -> str:
    """Where a browser finds what listens on a host."""
    name = gethostname() if host in ("", "0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")


if __name__ == "__main__":
    main(explore)
