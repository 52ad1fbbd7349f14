"""What every job's command line shares: the plan, the progress, the errors and the exit codes.

Exit codes: 0 all done; 1 some parts failed; 2 the request cannot be carried out; 130 stopped with Ctrl-C.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from pipeline.engine.plan import GIGABYTE, StagePlan, check_space, plan
from pipeline.engine.pool import InProcess, Pool
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.runner import RunFailed, run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError

Goals = TypeVar("Goals", bound=Sequence[Stage])

console = Console(highlight=False, markup=False, soft_wrap=True)  # paths appear whole, to be copied
errors = Console(highlight=False, markup=False, soft_wrap=True, stderr=True)


def carry_out(
    describe: Callable[[], Goals], root: Path, workers: int | None, address: str | None, plan_only: bool
) -> tuple[Store, Goals]:
    """Plan the goals that `describe` wires together, and make them unless only the plan is wanted.

    Prints everything a person should see. Ends the process with an exit code where the goals were not made.
    """
    store = Store(root)
    try:
        check_where(root, workers, address)
        goals = describe()
        plans = plan(goals, store)
        if plan_only:
            show_plan(plans, store)
        check_space(plans, store)
        if plan_only:
            raise typer.Exit()
        make(plans, store, workers, address)
        for goal in goals:
            store.check(goal)
    except UserError as error:
        errors.print(Text(f"Error: {error}", style="red"))
        raise typer.Exit(2) from None
    except RunFailed as failed:
        raise typer.Exit(explain(failed)) from None
    return store, goals


def check_where(root: Path, workers: int | None, address: str | None) -> None:
    """Raise UserError where the work cannot be done as asked."""
    if workers is not None and workers < 0:
        raise UserError(f"{workers} workers: expected at least 1, or 0 to work in this process.")
    if address is not None and workers == 0:
        raise UserError(
            f"--workers 0 works in this process, and --address {address} on a cluster.\nLeave one of them out."
        )
    if address is not None and not root.is_absolute():
        raise UserError(
            f"--root {root} is relative, and workers of the cluster at {address} would each find it in a folder of their own.\n"
            "Give --root as the absolute path of a folder that this machine and all workers share, such as a network disk."
        )


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


def explain(failed: RunFailed) -> int:
    """Print what failed and one whole traceback; the exit code."""
    failures = list(failed.failures.values())
    for failure in [each for each in failures if each.traceback][:1]:
        errors.print(Text(failure.traceback.rstrip()))
    errors.print(Text(f"Error: {failed}", style="red"))
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


class Lines:
    """Progress: one live line a stage on a terminal, and a plain line now and then elsewhere."""

    QUIET = 15.0  # seconds between plain lines

    def __init__(self, plans: Sequence[StagePlan]):
        self.total = {each.stage: len(each.todo) for each in plans if each.todo}
        self.done = dict.fromkeys(self.total, 0)
        self.live = console.is_terminal
        self.started = self.last = time.monotonic()
        columns = (
            "{task.description}",
            BarColumn(),
            MofNCompleteColumn(),
            Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self.bars = Progress(*(TextColumn(c) if isinstance(c, str) else c for c in columns), console=console)
        self.tasks = {
            stage: self.bars.add_task(self.label(stage), total=n, start=False) for stage, n in self.total.items()
        }

    def label(self, stage: Stage) -> str:
        twins = [other for other in self.total if other.name == stage.name]
        return stage.name if len(twins) == 1 else f"{stage.name} {twins.index(stage) + 1}"

    def __enter__(self) -> "Lines":
        if self.live and self.total:
            self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def advance(self, stage: Stage) -> None:
        self.done[stage] += 1
        if self.done[stage] == 1:
            self.bars.start_task(self.tasks[stage])
        self.bars.advance(self.tasks[stage])
        now = time.monotonic()
        finished = self.done[stage] == self.total[stage]
        if not self.live and (finished or now - self.last > self.QUIET):
            self.last = now
            print(
                f"{now - self.started:6.0f} s  {self.label(stage)}: {self.done[stage]} of {self.total[stage]} parts",
                flush=True,
            )


class Rate(TextColumn):
    """Parts a minute."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed * 60:.1f}/min" if task.speed else "", style="dim")


def main(command: Callable[..., None]) -> None:
    """Run one function as a typer command."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    sys.exit(app())
