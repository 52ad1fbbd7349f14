"""What a run tells while it goes, to whoever listens: a terminal, a log of events, the account that it ends with."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.engine import metrics
from pipeline.engine.stage import Stage
from pipeline.engine.worker import Failure, Made, Task


class Progress:
    """Nobody listens. Whoever does overrides what he wants to hear."""

    def made(self, task: Task, made: Made) -> None:
        """A part is there."""
        self.advance(task[0])

    def advance(self, stage: Stage) -> None:
        """Another part of a stage is there, whichever it is."""

    def failed(self, task: Task, failure: Failure) -> None:
        """A part was given up."""

    def retried(self, task: Task, attempt: int, why: str) -> None:
        """A part is begun again, for the `attempt`-th time, counted from 2."""

    def say(self, text: str) -> None:
        """Something that people should know, such as what is waited for."""


class Counted(Progress):
    """Counts for Ray's metrics what no worker knows."""

    def failed(self, task: Task, failure: Failure) -> None:
        metrics.add("hspace_failures_total", 1, stage=task[0].name)

    def retried(self, task: Task, attempt: int, why: str) -> None:
        metrics.add("hspace_retries_total", 1, stage=task[0].name)


class Several(Progress):
    """Several listeners, some of them for a while."""

    def __init__(self, *each: Progress) -> None:
        self.each = [*each]

    @contextmanager
    def joined_by(self, one: Progress) -> Iterator[None]:
        """Have another one listen in the block."""
        self.each.append(one)
        try:
            yield
        finally:
            self.each.remove(one)

    def made(self, task: Task, made: Made) -> None:
        for one in self.each:
            one.made(task, made)

    def advance(self, stage: Stage) -> None:
        for one in self.each:
            one.advance(stage)

    def failed(self, task: Task, failure: Failure) -> None:
        for one in self.each:
            one.failed(task, failure)

    def retried(self, task: Task, attempt: int, why: str) -> None:
        for one in self.each:
            one.retried(task, attempt, why)

    def say(self, text: str) -> None:
        for one in self.each:
            one.say(text)
