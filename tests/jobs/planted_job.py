"""A job of planted stages, through the real command line: `python -m tests.jobs.planted_job ROOT GATE`."""

from dataclasses import dataclass

import typer

from jobs.command_line import main, run_job
from jobs.printing import console
from jobs.where import Where
from pipeline.engine.store import Store
from tests.pipeline.planted import Gated, Squares, Total


@dataclass(frozen=True)
class Fixed:
    """Goals that depend on nothing."""

    goals: tuple[Total]
    first: tuple[()] = ()

    def fitted(self, store: Store) -> "Fixed":
        return self


def planted(
    root: str, gate: str, held: int = 0, workers: int = typer.Option(0), address: str | None = typer.Option(None)
) -> None:
    """Numbers, of which those from `held` on wait for the gate; their squares; the total."""
    goals = (Total(Squares(Gated(parts=12, held=held, gate=gate))),)
    run_job(lambda: Fixed(goals), Where(root, workers, address), lambda store, goals: hand_over(store, *goals))


def hand_over(store: Store, total: Total) -> dict[str, str]:
    """Print where the total is, and return it."""
    console.print(f"Total: {store.location(total)}")
    return {"total": store.location(total)}


if __name__ == "__main__":
    main(planted)
