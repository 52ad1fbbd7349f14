"""Progress of a run: live lines on a terminal, and a plain line now and then elsewhere."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.progress import TaskID

from jobs.bars import bars
from jobs.printing import console
from pipeline.engine.plan import StagePlan
from pipeline.engine.stage import Stage


@dataclass
class Job:
    """How far a whole job is, whatever it makes in turn: in the unit of `Stage.part_work`."""

    left: int  # work
    done: int = 0
    started: float = field(default_factory=time.monotonic)

    def advance(self, work: int) -> None:
        self.left, self.done = max(0, self.left - work), self.done + work

    def said(self, now: float) -> str:
        """How long the rest will take, by the work that is done; "" where that is not known."""
        if not self.done or not self.left:
            return ""
        seconds = (now - self.started) * self.left / self.done
        return f"; about {seconds / 60:.0f} min left" if seconds > 90 else f"; about {seconds:.0f} s left"


class Lines:
    """Progress: one live line a stage on a terminal, and a plain line now and then elsewhere."""

    QUIET = 15.0  # seconds between plain lines

    def __init__(self, plans: Sequence[StagePlan], job: Job | None = None):
        self.job = job or Job(sum(each.work for each in plans))
        self.total = {each.stage: len(each.todo) for each in plans if each.todo}
        self.done = dict.fromkeys(self.total, 0)
        self.live = console.is_terminal
        self.last = time.monotonic()
        self.started = dict.fromkeys(self.total, self.last)
        self.bars = bars()
        whole = self.job.left + self.job.done
        self.all: TaskID | None = self.bars.add_task("all", total=whole, completed=self.job.done) if whole else None
        self.tasks = {
            stage: self.bars.add_task(
                self.label(stage), total=n, start=False, visible=False, work=stage.part_work(), unit=stage.unit
            )
            for stage, n in self.total.items()
        }

    def label(self, stage: Stage) -> str:
        alike = [other for other in self.total if other.title == stage.title]
        return stage.title if len(alike) == 1 else f"{stage.title} {alike.index(stage) + 1}"

    def __enter__(self) -> "Lines":
        if self.live and self.total:
            self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def advance(self, stage: Stage) -> None:
        self.done[stage] += 1
        self.job.advance(stage.part_work())
        if self.done[stage] == 1:
            self.bars.start_task(self.tasks[stage])
            self.bars.update(self.tasks[stage], visible=True)
        self.bars.advance(self.tasks[stage])
        if self.all is not None:
            self.bars.advance(self.all, stage.part_work())
        now = time.monotonic()
        finished = self.done[stage] == self.total[stage]
        if finished:
            self.bars.update(self.tasks[stage], visible=False)  # a line of its own says so
        if finished or (not self.live and now - self.last > self.QUIET):
            self.last = now
            seconds, parts = f"{now - self.job.started:6.0f} s", f"{self.done[stage]} of {self.total[stage]} parts"
            console.print(f"{seconds}  {self.label(stage)}: {parts}{self.rate(stage, now)}{self.job.said(now)}")

    def rate(self, stage: Stage, now: float) -> str:
        """How many of what a stage counts its work in are done a second."""
        work = self.done[stage] * stage.part_work()
        return f", {work / (now - self.started[stage]):,.1f} {stage.unit} a second" if stage.unit else ""
