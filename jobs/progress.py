"""Progress of a run: live lines on a terminal, and plain lines now and then elsewhere, as in the log of a job on a cluster."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event, Thread

from rich.progress import TaskID

from jobs.bars import bars
from jobs.printing import console
from pipeline.engine.plan import StagePlan
from pipeline.engine.progress import Progress
from pipeline.engine.stage import Stage
from pipeline.engine.titles import titles
from pipeline.engine.worker import Failure, Task


@dataclass
class Job:
    """How far a whole job is, whatever it makes in turn: in the unit of `Stage.part_work`, and in parts."""

    left: int  # work
    done: int = 0
    parts: int = 0  # to make, as far as is known
    made: int = 0
    failed: int = 0
    retried: int = 0
    started: float = field(default_factory=lambda: time.monotonic())

    def begin(self, todo: int) -> None:
        """So many parts are to be made now; more may follow."""
        self.parts = max(self.parts, self.made + self.failed + todo)

    def advance(self, work: int) -> None:
        self.left, self.done, self.made = max(0, self.left - work), self.done + work, self.made + 1

    def said(self, now: float) -> str:
        """How far it is in all, what went wrong, and how long the rest will take by the work that is done, where that is known."""
        whole = f"; in all {self.made:,} of about {self.parts:,} parts" if self.parts else ""
        failed = f"; {self.failed:,} failed" if self.failed else ""
        retried = f"; {self.retried:,} begun again" if self.retried else ""
        return whole + failed + retried + self._time_left(now)

    def _time_left(self, now: float) -> str:
        if not self.done or not self.left:
            return ""
        return f"; about {in_words((now - self.started) * self.left / self.done)} left"


def in_words(seconds: float) -> str:
    """Seconds in the unit in which a person would say them."""
    if seconds > 36 * 3600:
        return f"{seconds / 86400:.1f} days"
    if seconds > 90 * 60:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"


class Lines(Progress):
    """Progress: one live line a stage on a terminal, and plain lines elsewhere."""

    QUIET = 15.0  # seconds between plain lines of a stage that goes on
    SILENCE = 60.0  # seconds after which a plain line says that nothing happens
    TROUBLE = 20  # failures and retries that are printed one by one

    def __init__(self, plans: Sequence[StagePlan], job: Job | None = None):
        self.job = job or Job(sum(each.work for each in plans))
        self.total = {each.stage: len(each.todo) for each in plans if each.todo}
        self.job.begin(sum(self.total.values()))
        self.done = dict.fromkeys(self.total, 0)
        self.label = titles([each.stage for each in plans])
        self.live = console.is_terminal
        self.last = time.monotonic()
        self.first: dict[Stage, float] = {}  # when the first part of a stage was done
        self.closed = Event()
        self.bars = bars()
        whole = self.job.left + self.job.done
        self.all: TaskID | None = self.bars.add_task("all", total=whole, completed=self.job.done) if whole else None
        self.tasks = {
            stage: self.bars.add_task(
                self.label[stage], total=n, start=False, visible=False, work=stage.part_work(), unit=stage.unit
            )
            for stage, n in self.total.items()
        }

    def __enter__(self) -> "Lines":
        if self.live and self.total:
            self.bars.start()
        if not self.live:
            Thread(target=self._break_silence, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        self.bars.stop()

    def advance(self, stage: Stage) -> None:
        self.done[stage] += 1
        self.job.advance(stage.part_work())
        now = time.monotonic()
        self.first.setdefault(stage, now)
        if self.done[stage] == 1:
            self.bars.start_task(self.tasks[stage])
            self.bars.update(self.tasks[stage], visible=True)
        self.bars.advance(self.tasks[stage])
        if self.all is not None:
            self.bars.advance(self.all, stage.part_work())
        finished = self.done[stage] == self.total[stage]
        if finished:
            self.bars.update(self.tasks[stage], visible=False)  # a line of its own says so
        if finished or (not self.live and now - self.last > self.QUIET):
            parts = f"{self.done[stage]} of {self.total[stage]} parts"
            self._print(f"{self.label[stage]}: {parts}{self.rate(stage, now)}{self.job.said(now)}")

    def failed(self, task: Task, failure: Failure) -> None:
        self.job.failed += 1
        self._trouble(task, f"failed: {failure.message}")

    def retried(self, task: Task, attempt: int, why: str) -> None:
        self.job.retried += 1
        self._trouble(task, f"begun again (attempt {attempt}): {why}")

    def say(self, text: str) -> None:
        self._print(text)

    def rate(self, stage: Stage, now: float) -> str:
        """How many of what a stage counts its work in are done a second, or else parts a minute, since its first part was."""
        parts, seconds = self.done[stage] - 1, now - self.first[stage]
        if not (parts and seconds):
            return ""
        if stage.unit:
            return f", {parts * stage.part_work() / seconds:,.1f} {stage.unit} a second"
        return f", {60 * parts / seconds:,.1f} a minute"

    def _trouble(self, task: Task, what: str) -> None:
        stage, part = task
        if self.job.failed + self.job.retried <= self.TROUBLE:
            self._print(f"{self.label[stage]}, part {part} {what.splitlines()[0]}")

    def _print(self, text: str) -> None:
        self.last = time.monotonic()
        console.print(f"{self.last - self.job.started:6.0f} s  {text}")

    def _break_silence(self) -> None:
        """Say now and then that nothing has happened: whoever reads a log sees that the run is alive."""
        while not self.closed.wait(1.0):
            now = time.monotonic()
            if now - self.last > self.SILENCE:
                self._print(f"Still at work{self.job.said(now)}")
