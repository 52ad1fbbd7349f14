"""Tiny stages whose parts are known in advance, for the tests of storage, running and faults. No models, no torch.

Imported by name, so that worker processes find them too.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from pipeline.engine.filesystem import Unusable
from pipeline.engine.stage import DERIVED, ON_BEHALF, Need, Resources, Stage, one, whole
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.fingerprint import not_hashed
from pipeline.formats.parquet import write_table

DEADLINE = 120.0  # seconds until a test that waits gives up


def wait_for(condition, what: str):
    """The condition's first true value; fails after the deadline."""
    end = time.monotonic() + DEADLINE
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {DEADLINE:.0f} s for {what}")
        time.sleep(0.02)
    return value


@dataclass(frozen=True)
class Numbers(Stage):
    """Part i holds the number start + i."""

    parts: int
    start: int = 0

    @property
    def n_parts(self) -> int:
        return self.parts

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        write_table(out / "numbers.parquet", pa.table({"number": [self.start + part]}))


@dataclass(frozen=True)
class Squares(Stage):
    """Part i is the square of part i of the numbers."""

    numbers: Stage

    @property
    def n_parts(self) -> int:
        return self.numbers.n_parts

    def needs(self, part: int) -> Iterator[Need]:
        yield one(self.numbers, part)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        [number] = store.table(self.numbers, "numbers.parquet", part)["number"].to_pylist()
        write_table(out / "numbers.parquet", pa.table({"number": [number**2]}))


@dataclass(frozen=True)
class Total(Stage):
    """One part: the sum of all parts of another stage, as text."""

    of: Stage

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        total = sum(store.table(self.of, "numbers.parquet")["number"].to_pylist())
        (out / "total.txt").write_text(f"{total}\n")


@dataclass(frozen=True)
class Roots(Stage):
    """Part i is what the square was of: it reads part i of what its input reads, and not its input."""

    squares: Squares

    @property
    def n_parts(self) -> int:
        return self.squares.n_parts

    def needs(self, part: int) -> Iterator[Need]:
        yield one(self.squares.numbers, part)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        write_table(out / "numbers.parquet", store.table(self.squares.numbers, "numbers.parquet", part))


@dataclass(frozen=True)
class Shared(Stage):
    """One part: the sum of some numbers, added up by two workers first."""

    numbers: Numbers
    halves: "Halves" = field(init=False, repr=False, metadata=DERIVED)

    def __post_init__(self) -> None:
        object.__setattr__(self, "halves", Halves(self))

    def needs(self, part: int) -> Iterator[Need]:
        return whole(self.halves)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        (out / "total.txt").write_text(f"{sum(store.table(self.halves, 'numbers.parquet')['number'].to_pylist())}\n")


@dataclass(frozen=True)
class Halves(Stage):
    """Part 0 is the sum of the even parts, part 1 that of the odd ones."""

    shared: Shared = field(metadata=ON_BEHALF)

    @property
    def n_parts(self) -> int:
        return 2

    def _parts(self, half: int) -> range:
        return range(half, self.shared.numbers.n_parts, 2)

    def needs(self, part: int) -> Iterator[Need]:
        return (one(self.shared.numbers, i) for i in self._parts(part))

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        numbers = self.shared.numbers
        tables = [store.table(numbers, "numbers.parquet", i) for i in self._parts(part)]
        write_table(out / "numbers.parquet", pa.table({"number": [sum(each["number"][0].as_py() for each in tables)]}))


@dataclass(frozen=True)
class Greedy(Numbers):
    """Numbers that take much memory each. A part fails where another one is being made."""

    memory: int = not_hashed(0)
    marks: str = not_hashed("")  # a folder: one file while a part is made

    @property
    def resources(self) -> Resources:
        return Resources(memory=self.memory)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        alone = Path(self.marks) / "being made"
        alone.touch(exist_ok=False)
        time.sleep(0.3)
        super().process(part, store, loaded, out)
        alone.unlink()


@dataclass(frozen=True)
class Meeting(Numbers):
    """Parts that say which GPUs they see, and wait until so many files of both kinds of workers are in a folder."""

    gpus: int = 0
    awaited: int = not_hashed(0)
    marks: str = not_hashed("")

    @property
    def resources(self) -> Resources:
        return Resources(gpus=self.gpus)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        (out / "sees.txt").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
        (Path(self.marks) / f"{self.gpus}.{part}").touch()
        wait_for(lambda: len(list(Path(self.marks).iterdir())) >= self.awaited, "parts of the other kind")
        super().process(part, store, loaded, out)


@dataclass(frozen=True)
class Crowded(Numbers):
    """Numbers of which each is made when so many processes have begun one."""

    awaited: int = not_hashed(0)
    marks: str = not_hashed("")  # a folder: one file a process, and one a part

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        (Path(self.marks) / f"process.{os.getpid()}").touch()
        (Path(self.marks) / f"part.{part}").touch()
        wait_for(lambda: len(list(Path(self.marks).glob("process.*"))) >= self.awaited, "other workers")
        super().process(part, store, loaded, out)


@dataclass(frozen=True)
class Refused(Numbers):
    """Numbers that a machine cannot bring into the store whose environment says so."""

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        if os.environ.get("CANNOT_WRITE"):
            raise Unusable("The disk of this machine is full.")
        time.sleep(0.2)
        super().process(part, store, loaded, out)


@dataclass(frozen=True)
class Hanging(Numbers):
    """Numbers, but some parts stop their process at the first attempts, or wait for ever."""

    stopping: tuple[int, ...] = ()
    waiting: tuple[int, ...] = ()
    attempts: int = not_hashed(1)  # of a part, that go wrong
    marks: str = not_hashed("")  # a folder: one file an attempt

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        attempt = len(list(Path(self.marks).glob(f"{part}.*")))
        if part in self.stopping + self.waiting and attempt < self.attempts:
            (Path(self.marks) / f"{part}.{attempt}.{os.getpid()}").touch()
            if part in self.stopping:
                os.kill(os.getpid(), signal.SIGSTOP)
            threading.Event().wait()
        super().process(part, store, loaded, out)


@dataclass(frozen=True)
class Unloadable(Numbers):
    """Numbers that nothing can be loaded for."""

    marks: str = not_hashed("")  # a folder: one file an attempt

    def setup(self) -> None:
        (Path(self.marks) / f"setup.{os.getpid()}.{time.monotonic()}").touch()
        raise RuntimeError("no such model")


@dataclass(frozen=True)
class Slow(Numbers):
    """Numbers that take their time."""

    seconds: float = not_hashed(0.0)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        time.sleep(self.seconds)
        super().process(part, store, loaded, out)


@dataclass(frozen=True)
class Failing(Numbers):
    """Numbers, but for the parts that fail: with a bug, or with an error of the user's."""

    failing: tuple[int, ...] = ()
    by_user: bool = False

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        if part in self.failing:
            raise UserError(f"{part} is a bad number.") if self.by_user else ZeroDivisionError(f"number {part}")
        super().process(part, store, loaded, out)


@dataclass(frozen=True)
class Deadly(Numbers):
    """Numbers, but some parts kill their process: at the first attempt, or at every one."""

    once: tuple[int, ...] = ()
    always: tuple[int, ...] = ()
    marks: str = not_hashed("")  # a folder: one file an attempt

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        attempt = len(list(Path(self.marks).glob(f"{part}.*")))
        if part in self.always or (part in self.once and attempt == 0):
            (Path(self.marks) / f"{part}.{attempt}").touch()
            (out / "numbers.parquet").write_bytes(b"half a fi")
            os.kill(os.getpid(), signal.SIGKILL)
        super().process(part, store, loaded, out)


@dataclass(frozen=True)
class Gated(Numbers):
    """Numbers that stop half-way through each part from `held` on, until the file `gate` is there."""

    held: int = not_hashed(0)
    gate: str = not_hashed("")

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        super().process(part, store, loaded, out)
        if part >= self.held:
            Path(f"{self.gate}.reached.{part}").touch()
            wait_for(Path(self.gate).exists, "the gate")
