"""What every job's command line shares: the plan, the progress, the errors, the account of the run and the exit codes.

Exit codes: 0 all done; 1 some parts failed; 2 the request cannot be carried out; 130 stopped with Ctrl-C, 143 by a signal to end.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import typer

from jobs.account import Account, Outcome
from jobs.making import Making
from jobs.once import Once
from jobs.planning import show_plan
from jobs.preflight import look
from jobs.printing import console, errors, explain, for_people, print_json, refuse, say_stopped, tell_unsound
from jobs.stopping import ENDED, STOPPED, ended_by_signal
from jobs.timing import timed_here
from jobs.where import Where, check_where
from pipeline.engine.plan import StagePlan, check_space
from pipeline.engine.pool import kept_open
from pipeline.engine.runner import RunFailed
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.recipes.make import Recipe, carry_out, planned
from schemas.run_summary import SUMMARY_FILE

Goals = TypeVar("Goals", bound=Sequence[Stage])
Ending = tuple[Outcome, int, str | None]  # how, with which exit code, why


def run_job(
    describe: Callable[[], Recipe[Goals]], where: Where, hand_over: Callable[[Store, Goals], dict[str, Any]]
) -> None:
    """Plan the goals of the recipe that `describe` wires, and make them unless only the plan is wanted; then hand them over.

    hand_over: prints for people what was made, and returns it for machines. However a run ends, `run_summary.json` in the root says
    how, and what is printed for machines is the same. Ends the process with an exit code where not all was done.
    """
    for_people(where.json)
    account = Account(where)
    with ended_by_signal():
        if code := (_show_plan(describe, where) if where.plan else _run(describe, where, hand_over, account)):
            raise typer.Exit(code)


def _show_plan(describe: Callable[[], Recipe[Goals]], where: Where) -> int:
    """Print what would be made; the exit code."""
    try:
        check_where(where)
        store = Store(where.root)
        recipe, plans = planned(describe(), store)
        if where.preflight:
            look(store, plans, where)
        tell_unsound(plans, store)
        show_plan(plans, store, where)
        for sentence in timed_here(recipe.first) if where.time else ():
            console.print(sentence)
        for sentence in recipe.foreseen(store):
            console.print(sentence)
        check_space(plans, store)
    except UserError as error:
        refuse(error, where)
        return 2
    return 0


def _run(
    describe: Callable[[], Recipe[Goals]],
    where: Where,
    hand_over: Callable[[Store, Goals], dict[str, Any]],
    account: Account,
) -> int:
    """Carry a job out, and close its account however it ends; the exit code."""
    store: Store | None = None
    ending: Ending = ("failed", 1, "It ended without a word.")
    try:
        check_where(where)
        store = Store(where.root, repairing=where.repair)
        recipe, plans = planned(describe(), store)
        account.hear(recipe)
        if where.preflight:
            look(store, plans, where)
        check_space(plans, store)
        if not any(each.todo for each in plans):
            account.know(plans)
        goals = _made(recipe, plans, store, account)
        account.found = hand_over(store, goals)
        ending = ("done", 0, None)
    except UserError as error:
        ending = ("failed" if account.events else "refused", 2, refuse(error))
    except RunFailed as failed:
        ending = ("failed", *explain(failed))
    except (KeyboardInterrupt, SystemExit) as stop:
        code = STOPPED if isinstance(stop, KeyboardInterrupt) else ENDED
        ending = ("stopped", code, f"Stopped{'' if code == STOPPED else ' by a signal'}.")
        say_stopped(account.finished(store), where)
    except Exception as error:
        ending = ("failed", 1, f"{type(error).__name__}: {error}")
        raise
    finally:
        _close(account, ending, store, where)
    return ending[1]


def _made(recipe: Recipe[Goals], plans: Sequence[StagePlan], store: Store, account: Account) -> Goals:
    """The goals of a recipe, made; what they are is known once what decides it is there."""
    where, making = account.where, Making(plans, account)
    with kept_open(lambda: making.open_pool(where.workers, where.address)) as pool:
        return carry_out(recipe, store, lambda plans: making.make(plans, store, pool), account.hear)


def _close(account: Account, ending: Ending, store: Store | None, where: Where) -> None:
    """Leave the account of a run in its root, and print it for machines."""
    summary = account.summary(*ending)
    try:
        account.close(summary, store)
    except (OSError, UserError) as error:
        errors.print(f"{SUMMARY_FILE} could not be left in {where.root}: {error}")
    if where.json:
        print_json(summary.model_dump(mode="json"))


def main(*commands: Callable[..., None]) -> None:
    """Run one function as a typer command, or one of several by its name."""
    sys.exit(app(*commands)())


def app(*commands: Callable[..., None]) -> typer.Typer:
    """Functions as a typer application."""
    made = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    for command in commands:
        made.command(cls=Once, epilog=getattr(command, "epilog", None))(command)
    return made
