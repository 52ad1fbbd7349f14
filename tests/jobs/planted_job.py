"""A job of planted stages, through the real command line: `python -m tests.jobs.planted_job ROOT GATE`."""

from pathlib import Path

import typer

from jobs.command_line import carry_out, main
from jobs.printing import console
from jobs.where import Where
from tests.pipeline.planted import Gated, Squares, Total


def planted(
    root: Path, gate: str, held: int = 0, workers: int = typer.Option(0), address: str | None = typer.Option(None)
) -> None:
    """Numbers, of which those from `held` on wait for the gate; their squares; the total."""
    store, [total] = carry_out(
        lambda: (Total(Squares(Gated(parts=12, held=held, gate=gate))),), Where(root, workers, address)
    )
    console.print(f"Total: {store.folder(total)}")


if __name__ == "__main__":
    main(planted)
