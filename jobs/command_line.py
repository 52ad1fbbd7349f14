"""What every job's command line shares: the plan, the progress, the errors and the exit codes.

Exit codes: 0 all done; 1 some parts failed; 2 the request cannot be carried out; 130 stopped with Ctrl-C.
"""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import typer

from jobs.making import make
from jobs.printing import explain, refuse, show_plan
from jobs.where import Where, check_where
from pipeline.engine.plan import check_space, plan
from pipeline.engine.runner import RunFailed
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
        refuse(error)
        raise typer.Exit(2) from None
    except RunFailed as failed:
        raise typer.Exit(explain(failed)) from None
    return store, goals


def main(command: Callable[..., None]) -> None:
    """Run one function as a typer command."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    sys.exit(app())
