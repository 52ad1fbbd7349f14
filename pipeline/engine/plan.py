"""What is missing for some goals, how many bytes that is, and whether the disk and the memory can hold it.

Work is demanded backwards: a part is made only if a part of a goal is missing that needs it.
"""

import gc
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.engine.stage import Need, Stage, in_order
from pipeline.engine.store import Store
from pipeline.errors import UserError

GIGABYTE = 1e9
MOST_PARTS = 1_000_000  # of a stage
HEADROOM = 1.05  # estimates of what is written may be a little low


@dataclass(frozen=True)
class StagePlan:
    """What one stage has and still has to make for the goals."""

    stage: Stage
    todo: tuple[int, ...]  # parts to make
    done: int  # parts that are there

    @property
    def bytes(self) -> int:
        return len(self.todo) * self.stage.part_bytes()

    @property
    def work(self) -> int:
        """What is left to do, in the unit of `Stage.part_work`."""
        return len(self.todo) * self.stage.part_work()


def plan(goals: Sequence[Stage], store: Store) -> list[StagePlan]:
    """What to make for the goals, in the order of the flow. Every stage's settings are checked first."""
    stages = in_order(goals)
    for stage in stages:
        stage.check()
        check_size(stage)
    missing = {stage: store.missing(stage) for stage in stages}
    todo: dict[Stage, set[int]] = {stage: set() for stage in stages}
    for goal in goals:
        todo[goal].update(missing[goal])
    for stage in stages:
        damaged = store.taken_out(stage)
        todo[stage].update(part for part in missing[stage] if damaged and stage.part_name(part) in damaged)
    plans = []
    with without_collection():
        for stage in reversed(stages):
            parts = tuple(sorted(todo.pop(stage)))
            demanded: set[Need] = set()  # most parts of a stage read the same
            for part in parts:
                for need in stage.needs(part):
                    if len(need[1]) == 1 or need not in demanded:
                        _demand(need, todo, missing, stage)
                    if len(need[1]) != 1:
                        demanded.add(need)
            plans.append(StagePlan(stage, parts, stage.n_parts - len(missing[stage])))
    return plans[::-1]


@contextmanager
def without_collection() -> Iterator[None]:
    """Leave Python's search for garbage out while a plan grows: it goes through all that is there again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _demand(need: Need, todo: dict[Stage, set[int]], missing: dict[Stage, list[int]], by: Stage) -> None:
    """Have made what is missing of what a stage reads; `todo` holds the stages before it."""
    needed, parts = need
    try:
        todo[needed].update(within(missing[needed], parts))
    except KeyError:
        raise ValueError(f"{by.name} reads {needed.name}, and none of its fields leads there: make it one.") from None


def within(numbers: Sequence[int], parts: range) -> Sequence[int]:
    """Those of some ascending numbers that lie in a range of parts."""
    return numbers[bisect_left(numbers, parts.start) : bisect_left(numbers, parts.stop)]


def check_size(stage: Stage) -> None:
    """Raise UserError for more parts than anybody can mean: each has a folder, and a place in the plan."""
    if stage.n_parts > MOST_PARTS:
        raise UserError(
            f"{stage.name} would have {stage.n_parts:,} parts; expected at most {MOST_PARTS:,}.\n"
            "Ask for fewer samples, or for more in a part."
        )


def check_space(plans: Sequence[StagePlan], store: Store) -> None:
    """Refuse a plan that the disk cannot hold."""
    needed, free = sum(each.bytes for each in plans) * HEADROOM, store.free_bytes()
    if free is not None and needed > free:
        raise UserError(
            f"This run writes about {needed / GIGABYTE:.2f} GB, and {store.root} has {free / GIGABYTE:.2f} GB left.\n"
            "Give a `root` on a larger disk, or lower `samples` or `steps`; a `plan` shows where the bytes go."
        )


def largest(plans: Sequence[StagePlan]) -> Stage | None:
    """The stage, of those that have something to make, whose parts take the most memory; None where none says what it takes."""
    stages = [each.stage for each in plans if each.todo and each.stage.resources.memory]
    return max(stages, key=lambda stage: stage.resources.memory, default=None)


def check_memory(plans: Sequence[StagePlan], available: float) -> None:
    """Refuse a plan with a part that takes more memory, in bytes, than there is where it would be made."""
    for each in plans:
        if each.todo and (needed := each.stage.resources.memory) > available:
            raise UserError(
                f"A part of {each.stage.title} takes about {needed / GIGABYTE:.1f} GB of memory, and the largest machine has "
                f"{available / GIGABYTE:.1f} GB.\nWork on a larger one, or ask for less: fewer samples, or directions from "
                "sketches, which do not grow with the samples."
            )
