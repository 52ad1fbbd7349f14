"""Planning, against a look-up of every part that a part reads: `python -m benchmarks.plan [--quick]`.

A plan says what is missing before anything runs. It is made of the demo, of 20,000 samples at 50 steps, and of 100,000 parts that
1,000 others read all of, with the agenda that the runner keeps of them; nothing is there yet, and then everything is. The opponent
asks the disk for each part that a part reads, as a build that knows no listings does.
"""

import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks._report import verdict
from pipeline.domains.portraits.run import PORTRAITS
from pipeline.engine.plan import StagePlan, check_space, plan
from pipeline.engine.runner import Agenda
from pipeline.engine.stage import Stage, in_order
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.recipes.directions import Directions
from pipeline.recipes.domain import Domain
from schemas.run import Run

# The project's own bars, in seconds after imports, on two cores.
TARGETS = {
    "demo_seconds": ("<=", 0.2),
    "large_seconds": ("<=", 2.0),  # 20,000 samples, 50 steps
    "parts_seconds": ("<=", 10.0),  # 100,000 parts
    "refused_seconds": ("<=", 1.0),  # a billion samples
    "lookups_over_plan": (">=", 10.0),  # the opponent's time over ours, of the large run
}
LARGE = PORTRAITS.model_copy(update={"samples": 20_000, "steps": 50})


@dataclass(frozen=True)
class Parts(Stage):
    """So many parts."""

    n: int

    @property
    def n_parts(self) -> int:
        return self.n


@dataclass(frozen=True)
class Readers(Stage):
    """Each part reads all of another stage."""

    of: Stage
    n: int

    @property
    def n_parts(self) -> int:
        return self.n


def main() -> int:
    quick = "--quick" in sys.argv[1:]
    rounds = 3 if quick else 7
    many = 10_000 if quick else 100_000
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        store = Store(Path(folder) / "root")
        goals(PORTRAITS)  # the shape of h, which is found once a process, and what is imported on the way
        plan(goals(PORTRAITS), store)
        demo = timed(lambda: plan(goals(PORTRAITS), store), rounds)
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(once(lambda: plan(goals(LARGE), store)))
            theirs.append(once(lambda: looked_up(goals(LARGE), store)))
        parts = timed(lambda: agenda(many, store), min(3, rounds))
        bytes_a_part = memory(lambda: agenda(many, store)) / many
        refused = timed(lambda: refusal(store), rounds)
    print(f"{'':24}seconds, median of {rounds}")
    for name, seconds in {
        "the demo": demo,
        "20,000 samples, T = 50": median(ours),
        "the same, looked up": median(theirs),
        f"{many:,} parts": parts,
        "a billion samples": refused,
    }.items():
        print(f"{name:24}{seconds:.3f}")
    return verdict(
        "plan",
        {
            "demo_seconds": round(demo, 3),
            "large_seconds": round(median(ours), 3),
            "parts_seconds": round(parts, 2),
            "bytes_a_part": round(bytes_a_part),
            "refused_seconds": round(refused, 3),
            "lookups_over_plan": round(median(b / a for a, b in zip(ours, theirs, strict=True)), 1),
        },
        TARGETS,
    )


def goals(run: Run) -> tuple[Stage, ...]:
    return Directions(run, Domain.of(run)).goals


def looked_up(wanted: tuple[Stage, ...], store: Store) -> int:
    """How many parts are missing, by a look-up for each part and each part that it reads."""
    missing, root = 0, Path(store.root)
    for stage in in_order(wanted):
        for part in range(stage.n_parts):
            missing += not os.path.exists(root / stage.folder / f"{stage.part_name(part)}.json")
            for needed, parts in stage.needs(part):
                for i in parts:
                    os.path.exists(root / needed.folder / f"{needed.part_name(i)}.json")
    return missing


def agenda(n: int, store: Store) -> tuple[list[StagePlan], Agenda]:
    """A plan of n parts that n / 100 others read all of, and who waits for whom."""
    plans = plan((Readers(Parts(n), n // 100),), store)
    return plans, Agenda(plans)


def refusal(store: Store) -> None:
    """A request that nobody can mean."""
    try:
        check_space(plan(goals(PORTRAITS.model_copy(update={"samples": 10**9})), store), store)
    except UserError:
        return
    raise AssertionError("a billion samples were planned")


def timed(work: Callable[[], object], rounds: int) -> float:
    return median(once(work) for _ in range(rounds))


def once(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def memory(work: Callable[[], object]) -> int:
    """The most bytes that Python held for it."""
    tracemalloc.start()
    held = work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del held
    return most


if __name__ == "__main__":
    raise SystemExit(main())
