"""Tiny stages whose parts are known in advance, for the tests of storage, running and faults. No models, no torch.

Imported by name, so that worker processes find them too.
"""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.engine.stage import Need, Stage, one
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
