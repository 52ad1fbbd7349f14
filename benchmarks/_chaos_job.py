"""A small whole job on the bundled portraits, run as a person types it, and everything that it starts."""

import os
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).parents[1]
SMALL = shlex.split(
    "--samples 16 --steps 2 --batch 4 --attributes yaw --top 2 --components 1 --held-out 2 "
    "--jacobians 1 --region image --judge portraits-judge"
)
_MARK = "HSPACE_TRIAL"  # in the environment of a trial's processes, by which they are found again
PATIENCE = 900.0  # seconds without a new part after which a run counts as hung


@dataclass
class Trial:
    """A root, and the command that is run on it again and again."""

    root: str
    home: Path  # what the processes of this trial have for temporary files, and what they print
    seen: Callable[[], int]  # how many parts there are
    workers: int = 0
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()  # before the command: what puts it elsewhere
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    module: str = "jobs.portraits"

    @property
    def temporary(self) -> Path:
        return self.home / "t"

    def command(self, module: str, *arguments: str) -> list[str]:
        return [*self.prefix, sys.executable, "-m", module, *arguments]

    def start(self, *more: str) -> "subprocess.Popen[bytes]":
        """Start the command in a session of its own, as a terminal does."""
        self.temporary.mkdir(exist_ok=True)
        arguments = [*SMALL, "--workers", str(self.workers), "--root", self.root, *self.options, *more]
        return self.popen(self.command(self.module, *arguments))

    def popen(self, command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        """Start a process of this trial, which is found again by its mark."""
        self.temporary.mkdir(exist_ok=True)
        with open(self.home / "log", "ab") as log:
            log.write(f"\n$ {shlex.join(command[len(self.prefix) :])}\n".encode())
            log.flush()
            return subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=self.variables(),
                stdin=options.pop("stdin", subprocess.DEVNULL),
                stdout=options.pop("stdout", log),
                stderr=log,
                start_new_session=True,
                **options,
            )

    def variables(self) -> dict[str, str]:
        ours = {_MARK: self.token, "TMPDIR": str(self.temporary), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        return {**os.environ, **ours, **self.environment}

    def run(self, *more: str) -> int:
        """Run the command undisturbed, and return its exit code."""
        return self.await_end(self.start(*more))

    def await_end(self, process: "subprocess.Popen[bytes]") -> int:
        """Return the exit code of a run that goes on by itself. Raises Hung where no part comes for a quarter of an hour."""
        parts, since = self.seen(), time.monotonic()
        while process.poll() is None:
            time.sleep(0.1)
            if (now := self.seen()) != parts:
                parts, since = now, time.monotonic()
            if time.monotonic() - since > PATIENCE:
                raise Hung(f"no part came for {PATIENCE:.0f} s at {parts} parts")
        return process.returncode

    def await_parts(self, process: "subprocess.Popen[bytes]", more: int) -> bool:
        """Wait until there are so many more parts; False where the process ends before."""
        wanted, until = self.seen() + more, time.monotonic() + PATIENCE
        while self.seen() < wanted:
            if process.poll() is not None:
                return False
            if time.monotonic() > until:
                raise Hung(f"no {more} parts came in {PATIENCE:.0f} s")
            time.sleep(0.05)
        return process.poll() is None

    def printed(self) -> str:
        """Return the end of what was printed."""
        log = self.home / "log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""

    def processes(self) -> list[psutil.Process]:
        """Return all processes of this trial that live, however they were started."""
        return [each for each in psutil.process_iter() if self._owns(each)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(_MARK) == self.token and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def of(self, beginning: str) -> list[psutil.Process]:
        """Return the processes whose command begins so: `ray::` is a worker's, `raylet` its node's."""
        return [each for each in self.processes() if _title(each).startswith(beginning)]

    def survivors(self, seconds: float = 60.0) -> list[str]:
        """Return what still lives after so many seconds, by its command."""
        until = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.2)
        return [title for each in left if (title := _title(each))]

    def end(self) -> None:
        """Kill what is left."""
        for each in self.processes():
            try:
                each.kill()
            except psutil.Error:
                continue


class Hung(Exception):
    """A run does not go on."""


def _title(process: psutil.Process) -> str:
    """Return the command of a process, beginning with the name of its program without folders."""
    try:
        words = process.cmdline() or [process.name()]
    except psutil.Error:
        return ""
    return " ".join([words[0].rpartition("/")[2] if "::" not in words[0] else words[0], *words[1:]])[:200]


def records(root: Path) -> Iterator[Path]:
    """Yield the commit records in a folder."""
    for stage in root.iterdir() if root.is_dir() else ():
        if stage.name[0] != "." and stage.is_dir() and not stage.is_symlink():
            yield from (path for path in stage.glob("*.json") if path.name[0].isdigit())


@contextmanager
def ended(trial: Trial) -> Iterator[Trial]:
    """The trial, whose processes all end with the block."""
    try:
        yield trial
    finally:
        trial.end()
