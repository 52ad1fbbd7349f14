"""What `--plan` prints: what is there and what would be made, in parts, gigabytes, memory, and hours where they are known."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from jobs.printing import console, print_json, print_table
from jobs.timing import Estimate, estimate, workers_at_once
from jobs.where import Where
from pipeline.engine.plan import GIGABYTE, StagePlan, largest
from pipeline.engine.source_code import source_code
from pipeline.engine.store import Store
from pipeline.engine.titles import titles

WORKERS = (1, 8, 64)  # that hours are told for, beside those that were asked for


def show_plan(plans: Sequence[StagePlan], store: Store, where: Where) -> None:
    """Print a plan, for people and, where that is wanted, for machines."""
    timed = estimate(plans) if where.time else None
    _show_parts(plans, store)
    most, work = largest(plans), sum(each.work for each in plans)
    memory = most.resources.memory / GIGABYTE if most else 0.0
    if most:
        console.print(f"The part that takes most memory, of {most.title}: {memory:.2f} GB at most, beside networks")
    if timed:
        _show_hours(plans, timed, where)
    elif work:
        console.print(f"About {work:,} passes of an image through a network; --time says how long they take.")
    if source_code().modified:
        console.print(
            "Note: the code has uncommitted changes, so no commit tells how this was made; a catalog will say so."
        )
    if where.json:
        print_json({**_parts(plans, store), "gigabytes_of_memory": memory, "work": work, **_hours(plans, timed, where)})


def _show_parts(plans: Sequence[StagePlan], store: Store) -> None:
    table = Table("stage", "parts", "there", "to make", "GB to write", "for", box=None, header_style="bold")
    for each in plans:
        if not each.done and not each.todo:  # its settings are wanted, and none of its parts
            continue
        counts = (each.stage.n_parts, each.done, len(each.todo))
        purpose = titles([each.stage for each in plans])[each.stage].partition(": ")[2]
        table.add_row(each.stage.folder, *map(str, counts), f"{each.bytes / GIGABYTE:.3f}", purpose)
    todo, gigabytes = sum(len(each.todo) for each in plans), sum(each.bytes for each in plans) / GIGABYTE
    table.add_row("total", "", "", str(todo), f"{gigabytes:.3f}", "", style="bold")
    print_table(table)
    free = store.free_bytes()
    console.print(f"{store.root}: {'as much as is wanted' if free is None else f'{free / GIGABYTE:.1f} GB free'}")


def _show_hours(plans: Sequence[StagePlan], timed: Estimate, where: Where) -> None:
    """How long it takes, by how many workers, and what that assumes."""
    console.print(f"{timed.hours:.3g} {timed.unit} in all; as time on the clock, with so many workers:")
    for workers, hours in _by_workers(plans, timed, where).items():
        console.print(f"  {workers:>4}: {hours:.2g} hours")
    if timed.gpu_memory:
        console.print(f"The timed batch took {timed.gpu_memory / GIGABYTE:.2f} GB of memory on the GPU.")
    console.print(
        f"Assumed: every pass of an image takes {timed.seconds_a_pass * 1000:.3g} ms, as in batches of {timed.batch} on "
        f"{timed.device} just now; workers are alike, each with one of those to itself; one stage after the other, in whole rounds "
        "of parts. Fits, labels, reading and writing are not counted."
    )


def _by_workers(plans: Sequence[StagePlan], timed: Estimate, where: Where) -> dict[int, float]:
    return {n: timed.on_the_clock(plans, n) for n in sorted({*WORKERS, workers_at_once(where)})}


def _parts(plans: Sequence[StagePlan], store: Store) -> dict[str, Any]:
    called, free = titles([each.stage for each in plans]), store.free_bytes()
    return {
        "stages": [
            {
                "stage": each.stage.folder,
                "title": called[each.stage],
                "parts": each.stage.n_parts,
                "there": each.done,
                "todo": len(each.todo),
                "gigabytes": each.bytes / GIGABYTE,
                "work": each.work,
            }
            for each in plans
        ],
        "to_make": sum(len(each.todo) for each in plans),
        "gigabytes": sum(each.bytes for each in plans) / GIGABYTE,
        "gigabytes_free": None if free is None else free / GIGABYTE,
        "modified": source_code().modified,
    }


def _hours(plans: Sequence[StagePlan], timed: Estimate | None, where: Where) -> dict[str, Any]:
    if timed is None:
        return {"hours": None, "gpu_hours": None, "hours_by_workers": None, "timed": None}
    by_workers = _by_workers(plans, timed, where)
    return {
        "hours": by_workers[workers_at_once(where)],
        "gpu_hours": timed.hours if timed.on_gpu else None,
        "hours_by_workers": by_workers,
        "timed": asdict(timed),
    }
