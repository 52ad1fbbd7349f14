"""What a job prints: errors and failures, for people or, as one JSON object on standard output, for machines."""

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.where import Where
from pipeline.engine.plan import StagePlan
from pipeline.engine.runner import RunFailed
from pipeline.engine.store import Store
from pipeline.errors import UserError
from schemas.run import Run

SHOWN = 8  # of what is damaged


class Outlasting(Console):
    """A console that a run outlasts: where nobody reads any more what is printed, the run goes on without it."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


console = Outlasting(highlight=False, markup=False, soft_wrap=True)  # paths appear whole, to be copied
errors = Outlasting(highlight=False, markup=False, soft_wrap=True, stderr=True)


def for_people(beside_json: bool) -> None:
    """Print what is meant for people on standard output, or where errors go beside an object for machines."""
    console.stderr = beside_json


def print_table(table: Table) -> None:
    """Print a table as wide as it is, whatever the width of the terminal: nothing of it is cut off."""
    wide = console.measure(table, options=console.options.update(max_width=10_000)).maximum
    Outlasting(width=max(wide, console.width), stderr=console.stderr, highlight=False, markup=False).print(table)


def print_json(value: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):
        print(json.dumps(value), flush=True)


def refuse(error: UserError | RunFailed, where: Where | None = None) -> str:
    """Print an error, and return it. Settings, which the pipeline names as Python does, are named as options."""
    settings = {*Run.model_fields, *Where._fields}
    said = re.sub(r"`(\w+)`", lambda found: option(found[1]) if found[1] in settings else found[0], str(error))
    errors.print(Text(f"Error: {said}", style="red"))
    if where and where.json:
        print_json({"error": said})
    return said


def option(setting: str) -> str:
    """How a setting is called on the command line."""
    return f"--{setting.replace('_', '-')}"


def explain(failed: RunFailed) -> tuple[int, str]:
    """Print what failed and one whole traceback; the exit code, and why."""
    failures = list(failed.failures.values())
    for failure in [each for each in failures if each.traceback][:1]:
        errors.print(Text(failure.traceback.rstrip()))
    said = refuse(failed)
    errors.print("What was finished is kept; run the same command to try the rest again.")
    return 2 if all(failure.user_error for failure in failures) else 1, said


def tell_unsound(plans: Sequence[StagePlan], store: Store) -> None:
    """Say what lies among the parts and counts as none, and what was damaged: it is made again."""
    found = [why for each in plans for why in store.unsound(each.stage)]
    for why in found[:SHOWN]:
        console.print(f"Note: {why}: made again.")
    if len(found) > SHOWN:
        console.print(f"Note: {len(found) - SHOWN} more are made again.")


def say_stopped(finished: int, where: Where) -> None:
    errors.print(
        f"\nStopped. {finished} finished parts are kept in {where.root}; run the same command to go on from there."
    )
