"""Where in a network attributes are carried, and when: `python -m jobs.carriage MODEL --annotator NAME`.

Samples swap their h two by two, at one capture point after the other, in all steps and in each third of them: what a swap takes
along is carried there. It takes minutes, and says where directions are worth looking for before anything large is made.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import pandas as pd
from rich.table import Table
from typer import Option

from jobs.command_line import main, run_job
from jobs.options import MODEL, options
from jobs.printing import console, print_table
from jobs.where import Where
from pipeline.annotators.registry import annotator
from pipeline.engine.store import Store
from pipeline.hspace.points import Point
from pipeline.recipes import choose, dtypes
from pipeline.recipes.domain import Domain
from pipeline.recipes.settings import run_of
from pipeline.stages import reading
from pipeline.stages.measures.carriage import Carriage
from pipeline.stages.sources.dtypes import Dtypes
from schemas.run import Run

SETTINGS = ("annotator", "foreground", "unet", "variant", "condition", "class_label")
SAMPLING = ("steps", "eta", "seed", "batch", "dtype", "clip", "compile")
POINTS = Annotated[
    str | None,
    Option(
        metavar="POINTS",
        help="Capture points to swap h at, by commas: mid_block, up_blocks.0, up_blocks.1:input or any other module; those with + "
        "between them are swapped together. Without, the mid block and every block after it.",
    ),
]
SAMPLES = Annotated[
    int | None,
    Option(metavar="INTEGER", help=f"Samples that swap h, two by two. Default: {Carriage.n}.", show_default=False),
]
LINES = 60  # of the list of points, at most


@dataclass(frozen=True)
class Swaps:
    """The one goal, which depends on nothing but the dtype that the U-Net is to run in."""

    run: Run
    goals: tuple[Carriage]
    settled: tuple[str, ...] = ()

    @property
    def first(self) -> tuple[Dtypes, ...]:
        return (dtypes.timing(self.run, self.goals[0].sample.model),) if dtypes.is_timed(self.run) else ()

    def fitted(self, store: Store) -> "Swaps":
        [timing], [goal] = self.first, self.goals
        run = dtypes.settled(self.run, timing, store)
        goal = replace(goal, sample=replace(goal.sample, dtype=run.dtype))
        return Swaps(run, (goal,), (timing.told(store),))

    def foreseen(self, store: Store) -> tuple[str, ...]:
        return (dtypes.not_yet(self.run),) if self.first else self.settled


@options("runs/carriage", settings=(*SETTINGS, *SAMPLING), also={"points": POINTS, "samples": SAMPLES}, takes=MODEL)
def carriage(model: str, given: dict[str, Any], where: Where) -> None:
    """Measure what swaps of h between samples take with them, by capture point and third of the steps."""
    run_job(lambda: wired(model, given), where, lambda store, goals: hand_over(store, *goals, where))


def hand_over(store: Store, found: Carriage, where: Where) -> dict[str, Any]:
    """Print the capture points that there are, and what swaps at each take; return both for machines."""
    offered = found.sample.model.points()
    table = reading.table(store, found, "carriage.parquet")
    if not where.json:
        show_points(offered)
        show(table.to_pandas(), found.points)
    console.print(f"Tables: {store.location(found)}")
    points = [{"name": each.name, "shape": each.shape, "bytes": each.bytes} for each in offered]
    return {"points": points, "carriage": table.to_pylist()}


def wired(model: str, given: dict[str, Any]) -> Swaps:
    """What is given, wired. Raises UserError for what is no setting, no model or no capture point."""
    settings = {name: value for name, value in given.items() if name not in ("points", "samples")}
    run = run_of({**settings, "model": model, "attributes": ()})  # no direction is looked for: nobody has to judge any
    scores = annotator(run.annotator) if run.annotator else None
    domain = replace(Domain.of(run.model_copy(update={"annotator": None})), annotator=scores)
    for note in domain.notes:
        console.print(f"Note: {note}")
    if scores is None:
        console.print("Note: nobody scores attributes, so only pixels are looked at: name an --annotator.")
    stage = choose.carriage(run, domain)
    points = given["points"].split(",") if "points" in given else stage.points
    return Swaps(run, (replace(stage, points=tuple(map(str.strip, points)), n=given.get("samples", stage.n)),))


def show_points(offered: Sequence[Point]) -> None:
    """Print the capture points that the network has, or the outermost of them where there are many."""
    some = outermost(offered)
    table = _table("capture point", "shape of h", "kB of a sample at a step")
    for each in some:
        table.add_row(each.name, " x ".join(map(str, each.shape)), f"{each.bytes / 1000:,.1f}")
    print_table(table)
    if len(some) < len(offered):
        console.print(f"... and {len(offered) - len(some)} more, inside these.")


def outermost(offered: Sequence[Point]) -> list[Point]:
    """Those points, in their order, that lie in the fewest others, as many levels of them as there is room for."""
    for level in sorted({_level(each.name) for each in offered}, reverse=True):
        some = [each for each in offered if _level(each.name) <= level]
        if len(some) < LINES:
            return some
    return list(offered)[: LINES - 1]


def _level(name: str) -> int:
    """How many modules one lies in: up_blocks.0 in none, up_blocks.0.resnets.1 in one."""
    return sum(not word.isdecimal() for word in name.split(".")) - 1


def show(table: pd.DataFrame, points: Sequence[str]) -> None:
    """Print what swaps take, a row a thing and a column a point: in all steps with intervals, then in each third."""
    n = int(table["n"].max())
    console.print(
        f"\nShare of the way to the other sample that a swap in all steps goes, with its 95 % interval; {n} samples"
    )
    whole = table[table["third"].isna()]
    print_table(_by_point(whole, points, lambda rows: _with_interval(rows.iloc[0])))
    thirds = table.dropna(subset="third")
    if len(thirds):
        console.print("\nThe same of swaps in the first, noisiest third of the steps / in the second / in the last")
        print_table(
            _by_point(thirds, points, lambda rows: " / ".join(map(_number, rows.sort_values("third")["share"])))
        )


def _by_point(table: pd.DataFrame, points: Sequence[str], cell: Callable[[pd.DataFrame], str]) -> Table:
    cells = {key: cell(rows) for key, rows in table.groupby(["kind", "what", "point"], sort=False)}
    found = _table("", *points)
    for kind, what in dict.fromkeys((kind, what) for kind, what, _ in cells):
        found.add_row(what, *(cells[kind, what, point] for point in points), style="" if kind == "attribute" else "dim")
    return found


def _with_interval(row: pd.Series) -> str:
    if pd.isna(row["low"]):
        return _number(row["share"])
    return f"{_number(row['share'])} ({_number(row['low'])} to {_number(row['high'])})"


def _number(share: float) -> str:
    return "-" if pd.isna(share) else f"{round(share, 2) + 0.0:.2f}"  # and no -0.00


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold")
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


if __name__ == "__main__":
    main(carriage)
