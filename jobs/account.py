"""The account of a run: what it was asked, what it has made, and how it ended. It ends as run_summary.json, and on `--json`."""

import secrets
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from jobs.printing import console
from jobs.where import Where
from pipeline.engine.events import EventLog
from pipeline.engine.plan import StagePlan
from pipeline.engine.progress import Progress
from pipeline.engine.roots import without_secrets
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.titles import titles
from pipeline.engine.worker import Failure, Made, Task
from pipeline.errors import UserError
from pipeline.phases import PHASES
from schemas.run import Run
from schemas.run_summary import SUMMARY_FILE, FailureSummary, RunSummary, StageSummary

FAILURES, PARTS = 100, 1_000  # that are listed, at most; all are counted, and in the log of events

Outcome = Literal["done", "failed", "stopped", "refused"]


@dataclass
class StageAccount:
    """What a run has made of a stage."""

    title: str
    parts: int
    there: int
    made: int = 0
    failed: int = 0
    retried: int = 0
    bytes: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))

    def summary(self, folder: str) -> StageSummary:
        by_phase = {phase: round(seconds, 3) for phase, seconds in self.seconds.items()}
        counts = {
            name: getattr(self, name) for name in ("title", "parts", "there", "made", "failed", "retried", "bytes")
        }
        return StageSummary(stage=folder, seconds=round(sum(by_phase.values()), 3), seconds_by_phase=by_phase, **counts)


class Account(Progress):
    """Listens to a run from its beginning, and says at its end how it was."""

    def __init__(self, where: Where) -> None:
        self.where, self.began = where, datetime.now(UTC)
        self.run = f"{self.began:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        self.settings: dict[str, Any] = {}
        self.settled: list[str] = []  # of the run, by what was made first
        self.found: dict[str, Any] = {}  # by the job, for machines
        self.stages: dict[str, StageAccount] = {}
        self.failures: dict[tuple[str, str], FailureSummary] = {}
        self.memory = self.todo = 0
        self._stages: tuple[Stage, ...] = ()  # of the plans that are carried out
        self.events: EventLog | None = None
        self._started = time.monotonic()

    @property
    def log(self) -> str:
        """The name of the log of events in the root."""
        return f"events-{self.run}.jsonl"

    def hear(self, recipe: Any) -> None:
        """This is what the run is of, as far as is known now; what is new of it is said."""
        self.settings = settings_of(recipe)
        for sentence in getattr(recipe, "settled", ()):
            if sentence not in self.settled:
                self.settled.append(sentence)
                console.print(sentence)
                self.say(sentence)

    def begin(self, plans: Sequence[StagePlan], store: Store) -> None:
        """These plans are carried out now; others may follow."""
        if self.events is None:
            self.events = EventLog(lambda content: store.leave(self.log, content))
            self.events.tell("begun", message=shlex.join(typed()))
        self.know(plans)
        for each in plans:
            if each.todo:
                folder = each.stage.folder
                self.events.tell("planned", stage=folder, title=self.stages[folder].title, parts=len(each.todo))
        self.todo = self._made + self._failed + sum(len(each.todo) for each in plans)

    def know(self, plans: Sequence[StagePlan]) -> None:
        """The run is of these stages, of which so much is there."""
        called = titles([each.stage for each in plans])
        for each in plans:
            self.stages.setdefault(each.stage.folder, StageAccount(called[each.stage], each.stage.n_parts, each.done))
        self._stages = tuple(each.stage for each in plans)

    def made(self, task: Task, made: Made) -> None:
        account = self._of(task[0])
        account.made += 1
        account.bytes += made.bytes
        for phase, seconds in made.seconds.items():
            account.seconds[phase] += seconds
        self.memory = max(self.memory, made.memory)
        if self.events:
            self.events.made(task, made)

    def failed(self, task: Task, failure: Failure) -> None:
        stage, part = task
        account = self._of(stage)
        account.failed += 1
        if (key := (stage.folder, failure.message)) not in self.failures and len(self.failures) < FAILURES:
            told = {"message": failure.message, "worker": failure.worker, "traceback": failure.traceback}
            self.failures[key] = FailureSummary(stage=stage.folder, title=account.title, parts=[], **told)
        if key in self.failures and len(self.failures[key].parts) < PARTS:
            self.failures[key].parts.append(part)
        if self.events:
            self.events.failed(task, failure)

    def retried(self, task: Task, attempt: int, why: str) -> None:
        self._of(task[0]).retried += 1
        if self.events:
            self.events.retried(task, attempt, why)

    def say(self, text: str) -> None:
        if self.events:
            self.events.say(text)

    def close(self, summary: RunSummary, store: Store | None) -> None:
        """Leave the summary and the last events in the root. Where nothing was begun, only in one that is there already."""
        if self.events:
            why = summary.outcome + (f": {summary.error}" if summary.error else "")
            told: dict[str, Any] = {"seconds": summary.seconds, "parts": summary.made, "exit_code": summary.exit_code}
            self.events.tell("ended", message=why, **told, left_out=self.events.left_out or None)
            self.events.close()
        if store and (self.events or is_there(store)):
            store.leave(SUMMARY_FILE, (summary.model_dump_json(indent=2) + "\n").encode())

    def finished(self, store: Store | None) -> int:
        """How many parts of the stages that the run is of are there, as the store says, or else as far as was told."""
        try:
            return sum(stage.n_parts - len(store.missing(stage)) for stage in self._stages) if store else 0
        except (OSError, UserError):
            return self._made + sum(each.there for each in self.stages.values())

    def summary(self, outcome: Outcome, exit_code: int, error: str | None) -> RunSummary:
        every = self.stages.values()
        return RunSummary(
            run=self.run,
            command=typed(),
            settings=self.settings,
            settled=self.settled,
            root=without_secrets(str(self.where.root)),
            workers=self.where.workers,
            address=self.where.address,
            started=_iso(self.began),
            ended=_iso(datetime.now(UTC)),
            seconds=round(time.monotonic() - self._started, 3),
            outcome=outcome,
            exit_code=exit_code,
            error=error,
            made=self._made,
            there=sum(each.there for each in every),
            failed=self._failed,
            not_started=max(0, self.todo - self._made - self._failed),
            retries=sum(each.retried for each in every),
            bytes=sum(each.bytes for each in every),
            peak_memory=self.memory,
            stages=[each.summary(folder) for folder, each in self.stages.items()],
            failures=list(self.failures.values()),
            events=self.log if self.events else None,
            **self.found,
        )

    @property
    def _made(self) -> int:
        return sum(each.made for each in self.stages.values())

    @property
    def _failed(self) -> int:
        return sum(each.failed for each in self.stages.values())

    def _of(self, stage: Stage) -> StageAccount:
        return self.stages.setdefault(stage.folder, StageAccount(stage.title, stage.n_parts, 0))


def typed() -> list[str]:
    """The command line of this process, without what may be secrets in it: everybody may read what is left in a root."""
    return [without_secrets(each) for each in sys.orig_argv]


def is_there(store: Store) -> bool:
    """Whether a root exists already: one that was mistyped is not made for the sake of saying so."""
    return store.root.exists() if isinstance(store.root, Path) else True


def settings_of(recipe: Any) -> dict[str, Any]:
    """The settings of the run that a recipe is of; none where it is of none."""
    run = getattr(recipe, "run", None)
    return run.model_dump(mode="json", exclude_defaults=True) if isinstance(run, Run) else {}


def _iso(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
