"""Progress of a run: live lines on a terminal, and a plain line now and then elsewhere."""

import time
from collections.abc import Sequence

from rich.progress import TaskID

from jobs.bars import bars
from jobs.printing import console
from pipeline.engine.plan import StagePlan
from pipeline.engine.stage import Stage


class Lines:
    """Progress: one live line a stage on a terminal, and a plain line now and then elsewhere."""

    QUIET = 15.0  # seconds between plain lines

    def __init__(self, plans: Sequence[StagePlan]):
        self.total = {each.stage: len(each.todo) for each in plans if each.todo}
        self.done = dict.fromkeys(self.total, 0)
        self.work, self.worked = sum(each.work for each in plans), 0
        self.live = console.is_terminal
        self.started = self.last = time.monotonic()
        self.bars = bars()
        self.all: TaskID | None = self.bars.add_task("all", total=self.work) if self.work else None
        self.tasks = {
            stage: self.bars.add_task(self.label(stage), total=n, start=False, visible=False)
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
        self.worked += stage.part_work()
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
            seconds, parts = f"{now - self.started:6.0f} s", f"{self.done[stage]} of {self.total[stage]} parts"
            console.print(f"{seconds}  {self.label(stage)}: {parts}{self._left(now)}")

    def _left(self, now: float) -> str:
        """How long the rest will take, by the work that is done."""
        if not 0 < self.worked < self.work:
            return ""
        seconds = (now - self.started) * (self.work - self.worked) / self.worked
        return f"; about {seconds / 60:.0f} min left" if seconds > 90 else f"; about {seconds:.0f} s left"
