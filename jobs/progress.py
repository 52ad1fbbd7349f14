"""Progress of a run: live lines on a terminal, and a plain line now and then elsewhere."""

import time
from collections.abc import Sequence

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
        self.live = console.is_terminal
        self.started = self.last = time.monotonic()
        self.bars = bars()
        self.tasks = {
            stage: self.bars.add_task(self.label(stage), total=n, start=False) for stage, n in self.total.items()
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
        if self.done[stage] == 1:
            self.bars.start_task(self.tasks[stage])
        self.bars.advance(self.tasks[stage])
        now = time.monotonic()
        finished = self.done[stage] == self.total[stage]
        if not self.live and (finished or now - self.last > self.QUIET):
            self.last = now
            seconds, parts = f"{now - self.started:6.0f} s", f"{self.done[stage]} of {self.total[stage]} parts"
            print(f"{seconds}  {self.label(stage)}: {parts}", flush=True)
