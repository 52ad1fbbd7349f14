"""What a job prints: plans and failures, for people or, as one JSON object on standard output, for machines."""

import json
import re
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.where import Where
from pipeline.engine.plan import GIGABYTE, StagePlan, largest
from pipeline.engine.runner import RunFailed
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from schemas.run import Run

SHOWN = 8  # of what is damaged

console = Console(highlight=False, markup=False, soft_wrap=True)  # paths appear whole, to be copied
errors = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)


def for_people(beside_json: bool) -> None:
    """Print what is meant for people on standard output, or where errors go beside an object for machines."""
    console.stderr = beside_json


def print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)


def refuse(error: UserError | RunFailed, where: Where | None = None) -> None:
    """Print an error. Settings, which the pipeline names as Python does, are named as options."""
    settings = {*Run.model_fields, *Where._fields}
    said = re.sub(r"`(\w+)`", lambda found: option(found[1]) if found[1] in settings else found[0], str(error))
    errors.print(Text(f"Error: {said}", style="red"))
    if where and where.json:
        print_json({"error": said})


def option(setting: str) -> str:
    """How a setting is called on the command line."""
    return f"--{setting.replace('_', '-')}"


def explain(failed: RunFailed, where: Where) -> int:
    """Print what failed and one whole traceback; the exit code."""
    failures = list(failed.failures.values())
    for failure in [each for each in failures if each.traceback][:1]:
        errors.print(Text(failure.traceback.rstrip()))
    refuse(failed, where)
    errors.print("What was finished is kept; run the same command to try the rest again.")
    return 2 if all(failure.user_error for failure in failures) else 1


def show_plan(plans: Sequence[StagePlan], store: Store, where: Where, hours: float | None) -> None:
    """Print what is there and what would be made, in parts and gigabytes, and in hours where they are known."""
    total = sum(each.bytes for each in plans) / GIGABYTE
    todo = sum(len(each.todo) for each in plans)
    table = Table("stage", "parts", "there", "to make", "GB to write", box=None, header_style="bold")
    for each in plans:
        counts = (each.stage.n_parts, each.done, len(each.todo))
        table.add_row(each.stage.folder, *map(str, counts), f"{each.bytes / GIGABYTE:.3f}")
    table.add_row("total", "", "", str(todo), f"{total:.3f}", style="bold")
    console.print(table)
    free = store.free_bytes()
    console.print(f"{store.root}: {'as much as is wanted' if free is None else f'{free / GIGABYTE:.1f} GB free'}")
    most = largest(plans)
    if most:
        console.print(
            f"The part that takes most memory, of {most.title}: {_memory(most):.2f} GB at most, beside networks"
        )
    if hours is not None:
        console.print(
            f"About {hours:.2g} hours, from one timed batch on this machine, with as many workers as it has here."
        )
    if where.json:
        print_json({
            "stages": [
                {"stage": each.stage.folder, "parts": each.stage.n_parts, "there": each.done, "todo": len(each.todo)}
                for each in plans
            ],
            "to_make": todo,
            "gigabytes": total,
            "gigabytes_free": None if free is None else free / GIGABYTE,
            "gigabytes_of_memory": _memory(most) if most else 0.0,
            "hours": hours,
        })  # fmt: skip


def tell_unsound(plans: Sequence[StagePlan], store: Store) -> None:
    """Say what lies among the parts and counts as none, and what was damaged: it is made again."""
    found = [why for each in plans for why in store.unsound(each.stage)]
    for why in found[:SHOWN]:
        console.print(f"Note: {why}: made again.")
    if len(found) > SHOWN:
        console.print(f"Note: {len(found) - SHOWN} more are made again.")


def _memory(stage: Stage) -> float:
    """Gigabytes that a part takes at most."""
    return stage.resources.memory / GIGABYTE
