"""What every job's command line shares: the plan, the progress, the errors and the exit codes.

Exit codes: 0 all done; 1 some parts failed; 2 the request cannot be carried out; 130 stopped with Ctrl-C.
"""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import typer
from rich.text import Text

from jobs.options import Where, check_where
from jobs.printing import console, errors, explain, show_plan
from jobs.progress import Lines
from pipeline.engine.plan import StagePlan, check_space, plan
from pipeline.engine.pool import InProcess, Pool
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.runner import RunFailed, run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError

Goals = TypeVar("Goals", bound=Sequence[Stage])


def carry_out(describe: Callable[[], Goals], where: Where) -> tuple[Store, Goals]:
    """Plan the goals that `describe` wires together, and make them unless only the plan is wanted.

    Prints everything a person should see. Ends the process with an exit code where the goals were not made.
    """
    store = Store(where.root)
    try:
        check_where(where)
        goals = describe()
        plans = plan(goals, store)
        if where.plan:
            show_plan(plans, store)
        check_space(plans, store)
        if where.plan:
            raise typer.Exit()
        make(plans, store, where.workers, where.address)
        for goal in goals:
            store.check(goal)
    except UserError as error:
        errors.print(Text(f"Error: {error}", style="red"))
        raise typer.Exit(2) from None
    except RunFailed as failed:
        raise typer.Exit(explain(failed)) from None
    return store, goals


def make(plans: Sequence[StagePlan], store: Store, workers: int | None, address: str | None) -> None:
    """Carry the plans out, with progress; Ctrl-C ends it cleanly."""
    store.prepare()
    try:
        with Lines(plans) as progress:
            run(plans, store, lambda: open_pool(workers, address), progress)
    except KeyboardInterrupt:
        done = sum(each.stage.n_parts - len(store.missing(each.stage)) for each in plans)
        errors.print(
            f"\nStopped. {done} finished parts are kept in {store.root}; run the same command to go on from there."
        )
        raise typer.Exit(130) from None


def open_pool(workers: int | None, address: str | None) -> Pool:
    if workers == 0:
        return InProcess()
    console.print("Starting Ray ...")
    return RayPool(workers, address)


def main(command: Callable[..., None]) -> None:
    """Run one function as a typer command."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    sys.exit(app())
