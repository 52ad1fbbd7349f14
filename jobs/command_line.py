"""What every job's command line shares: the plan, the progress, the errors and the exit codes.

Exit codes: 0 all done; 1 some parts failed; 2 the request cannot be carried out; 130 stopped with Ctrl-C.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

from jobs.making import make, open_pool
from jobs.preflight import look
from jobs.printing import explain, for_people, refuse, show_plan, tell_unsound
from jobs.progress import Job
from jobs.timing import hours
from jobs.where import Where, check_where
from pipeline.engine.plan import check_space
from pipeline.engine.pool import kept_open
from pipeline.engine.runner import RunFailed
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.recipes.make import Recipe, carry_out, planned

Goals = TypeVar("Goals", bound=Sequence[Stage])


def run_job(describe: Callable[[], Recipe[Goals]], where: Where) -> tuple[Store, Goals]:
    """Plan the goals of the recipe that `describe` wires, and make them unless only the plan is wanted.

    Prints everything a person should see. Ends the process with an exit code where the goals were not made.
    """
    for_people(where.json)
    try:
        check_where(where)
        store = Store(where.root, repairing=where.repair)
        recipe, plans = planned(describe(), store)
        if where.preflight:
            look(store, plans, where)
        if where.plan:
            tell_unsound(plans, store)
            show_plan(plans, store, where, hours(plans, where) if where.time else None)
        check_space(plans, store)
        if where.plan:
            raise typer.Exit()
        with kept_open(lambda: open_pool(where.workers, where.address)) as pool:
            job = Job(sum(each.work for each in plans))
            goals = carry_out(recipe, store, lambda plans: make(plans, store, pool, job))
    except UserError as error:
        refuse(error, where)
        raise typer.Exit(2) from None
    except RunFailed as failed:
        raise typer.Exit(explain(failed, where)) from None
    return store, goals


class Once(TyperCommand):
    """A command that refuses an option that is given twice, of which one would be ignored."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        twice = [each for each in order if order.count(each) > 1 and not each.multiple and each.nargs == 1]
        if twice:
            ctx.fail(f"{twice[0].opts[0]} is given twice: give it once.")
        return super().parse_args(ctx, args)


def main(*commands: Callable[..., None]) -> None:
    """Run one function as a typer command, or one of several by its name."""
    sys.exit(app(*commands)())


def app(*commands: Callable[..., None]) -> typer.Typer:
    """Functions as a typer application."""
    made = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    for command in commands:
        made.command(cls=Once, epilog=getattr(command, "epilog", None))(command)
    return made
