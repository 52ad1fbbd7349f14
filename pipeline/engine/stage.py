"""A stage is a frozen dataclass: its fields are its settings and the stages it reads, and nothing else decides what it makes.

A part is one unit of a stage's work and of a resume: a few files that appear together or not at all. A stage's
fingerprint hashes its name, its version, its settings and its inputs' fingerprints, so two settings never mix in one
folder, and "is this done?" is a look-up. A setting that cannot change the bytes (where a model lies on this machine) is
marked with `not_hashed()`.

How many samples there are changes no part that is there already, so `n` is marked `EXTENT`: a run with more samples finds the
parts of a smaller one. Stages that read an input `PART_BY_PART` have its extent; to all others it is a setting of the input.

The graph is the fields: a stage reads the stages among them, and what those read, and so on. A stage whose work many workers share
before one puts it together has the first half as a field that is `DERIVED`, a stage with the whole as its field `ON_BEHALF`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.fingerprint import fingerprint, settings

if TYPE_CHECKING:
    from pipeline.engine.store import Store

# For `dataclasses.field(metadata=...)`:
DERIVED = {"hashed": False}  # a field that follows from the others: `__post_init__` sets it
ON_BEHALF = {"on behalf": True}  # the stage that this one does a share of the work for, reading what that one reads


@dataclass(frozen=True)
class Resources:
    """What it takes to make one part. Of CPUs all take the same: a part computes on `threads.THREADS` threads, wherever it is."""

    gpus: float = (
        0  # 1 is for a worker with a GPU, where the cluster has any; a half, for one that shares it with another
    )
    memory: int = 0  # about how many bytes of RAM; what is small beside a machine may say nothing


@dataclass(frozen=True)
class Stage:
    """What every stage offers. `process` is pure: the same part makes the same bytes, on any worker."""

    version: ClassVar[int] = 1  # raised by hand when the results of a stage change
    repeatable: ClassVar[bool] = (
        True  # not of a stage that takes the time: its part is made once, and then goes for all
    )
    unit: ClassVar[str] = ""  # what `part_work` counts, of which people want to see how many a second are done

    purpose: str = field(default="", kw_only=True, metadata={"hashed": False})  # what it is for in this run, for people

    def __init_subclass__(cls, **options: Any) -> None:
        """Stages are compared by what they make, and not field by field through all that they read."""
        super().__init_subclass__(**options)
        cls.__eq__, cls.__hash__ = Stage.__eq__, Stage.__hash__  # type: ignore[method-assign]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stage) and (self.folder, self.extent) == (other.folder, other.extent)

    def __hash__(self) -> int:
        return hash(self.folder)

    @property
    def name(self) -> str:
        """`PrincipalComponents` -> `principal-components`."""
        letters = (f"-{letter.lower()}" if letter.isupper() else letter for letter in type(self).__name__)
        return "".join(letters).lstrip("-")

    @property
    def title(self) -> str:
        """What it is called in progress: its name, and what it is for."""
        return f"{self.name}: {self.purpose}" if self.purpose else self.name

    @cached_property
    def inputs(self) -> tuple["Stage", ...]:
        """The stages among the fields, in order, also inside tuples; for one that it works on behalf of, what that one reads."""
        found: list[Stage] = []
        for each in fields(self):
            value = getattr(self, each.name)
            found += (
                [read for read in value.inputs if read != self] if each.metadata.get("on behalf") else _stages(value)
            )
        return tuple(found)

    @cached_property
    def fingerprint(self) -> str:
        """What recognises its settings, and all that it reads."""
        return fingerprint(self.name, self.version, settings(self))

    @cached_property
    def folder(self) -> str:
        """Where its parts live, below the root of a store."""
        return f"{self.name}-{self.fingerprint}"

    @cached_property
    def extent(self) -> int | tuple[int, ...] | None:
        """How far it goes (how many, or which), where the fingerprint leaves that out."""
        for each in fields(self):
            if each.metadata.get("extent"):
                return getattr(self, each.name)
            if each.metadata.get("part by part") and (of_input := getattr(self, each.name).extent) is not None:
                return of_input
        return None

    def as_input(self, part_by_part: bool) -> str:
        """How the fingerprint of a stage that reads this one names it."""
        whole = self.extent is not None and not part_by_part
        return f"{self.folder} up to {self.extent}" if whole else self.folder

    @property
    def n_parts(self) -> int:
        return 1

    def part_name(self, part: int) -> str:
        """What a part is called in its folder. Where a greater extent would make it another part, the name must say so."""
        return f"{part:05d}"

    def needs(self, part: int) -> Iterator["Need"]:
        """The parts that `part` reads: all parts of all inputs unless a stage knows better.

        They may be parts of any stage that the fields lead to, through however many others.
        """
        return whole(*self.inputs)

    @property
    def resources(self) -> Resources:
        """What it takes to make one part. No setting: it changes nothing of what is made."""
        return Resources()

    def part_work(self) -> int:
        """About how much work a part is, in a unit that the stages of a run share: progress tells from it how long is left.

        That of diffusion models is a pass of one image through the U-Net. What is small beside them may say nothing.
        """
        return 0

    def part_samples(self) -> int:
        """About how many images a part samples, edits, inverts or scores, for who counts them."""
        return 0

    def part_bytes(self) -> int:
        """About how many bytes one part writes. What is small may say so."""
        return 1_000_000

    def check(self) -> None:
        """Raise UserError if the settings cannot work. Called for every stage before anything runs."""

    def fault(self, file: str, part: int | str, read: Any, store: "Store") -> str | None:
        """What is wrong with a table, or arrays, of a part, by what is known before: which samples its rows must be of, which step.

        None where it is right, or nothing is known.
        """
        return None

    def check_made(self, part: int, store: "Store") -> None:
        """Raise UserError where what is made says that the rest is in vain. Called after every part, where the run is led."""

    def setup(self) -> Any:
        """Load what is needed once a worker (a model), and hand it to every `process`."""
        return None

    def process(self, part: int, store: "Store", loaded: Any, out: Path) -> None:
        """Read finished parts from `store` and write this part's files into the empty folder `out`."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to process a part")


Need = tuple[Stage, range]  # parts of a stage that are read


def whole(*stages: Stage) -> Iterator[Need]:
    """All parts of some stages."""
    return ((stage, range(stage.n_parts)) for stage in stages)


def one(stage: Stage, part: int = 0) -> Need:
    """One part of a stage."""
    return stage, range(part, part + 1)


def in_order(goals: Sequence[Stage]) -> list[Stage]:
    """The goals and all that they read, each after its inputs."""
    ordered: dict[Stage, None] = {}

    def visit(stage: Stage) -> None:
        if stage in ordered:
            return
        for read in stage.inputs:
            visit(read)
        ordered.setdefault(stage)

    for goal in goals:
        visit(goal)
    return list(ordered)


def _stages(value: Any) -> Iterator[Stage]:
    if isinstance(value, Stage):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _stages(each)
