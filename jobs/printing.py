"""What a job prints: plans and failures."""

import re
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.where import Where
from pipeline.engine.plan import GIGABYTE, StagePlan
from pipeline.engine.runner import RunFailed
from pipeline.engine.store import Store
from pipeline.errors import UserError
from schemas.run import Run

console = Console(highlight=False, markup=False, soft_wrap=True)  # paths appear whole, to be copied
errors = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)


def refuse(error: UserError | RunFailed) -> None:
    """Print an error. Settings, which the pipeline names as Python does, are named as options."""
    settings = {*Run.model_fields, *Where._fields}
    said = re.sub(r"`(\w+)`", lambda found: option(found[1]) if found[1] in settings else found[0], str(error))
    errors.print(Text(f"Error: {said}", style="red"))


def option(setting: str) -> str:
    """How a setting is called on the command line."""
    return f"--{setting.replace('_', '-')}"


def explain(failed: RunFailed) -> int:
    """Print what failed and one whole traceback; the exit code."""
    failures = list(failed.failures.values())
    for failure in [each for each in failures if each.traceback][:1]:
        errors.print(Text(failure.traceback.rstrip()))
    refuse(failed)
    errors.print("What was finished is kept; run the same command to try the rest again.")
    return 2 if all(failure.user_error for failure in failures) else 1


def show_plan(plans: Sequence[StagePlan], store: Store) -> None:
    table = Table("stage", "parts", "there", "to make", "GB to write", box=None, header_style="bold")
    for each in plans:
        todo, there = len(each.todo), each.done
        table.add_row(each.stage.folder, str(each.stage.n_parts), str(there), str(todo), f"{each.bytes / GIGABYTE:.3f}")
    total = sum(each.bytes for each in plans)
    table.add_row("total", "", "", str(sum(len(each.todo) for each in plans)), f"{total / GIGABYTE:.3f}", style="bold")
    console.print(table)
    console.print(f"{store.root}: {store.free_bytes() / GIGABYTE:.1f} GB free")
