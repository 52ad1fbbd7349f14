"""A worker makes parts, one at a time, anywhere: it loads what a stage needs once, and commits each part with how it was made."""

import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.engine import metrics
from pipeline.engine.filesystem import NotShared, Unusable
from pipeline.engine.machines import sources_noted
from pipeline.engine.provenance import provenance, worker_name
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.threads import fixed_threads
from pipeline.engine.usage import forget_peak
from pipeline.errors import UserError
from pipeline.in_use import sharing
from pipeline.phases import phase, timed

Task = tuple[Stage, int]

LOADED_AT_ONCE = 3  # stages of which a worker keeps what they load: mostly the same networks


@dataclass(frozen=True)
class Made:
    """A part that is there, and what it took, in a form that travels between processes."""

    worker: str  # host:pid
    seconds: dict[str, float]  # by phase
    bytes: int  # written
    memory: int  # bytes of RAM that the worker held at most

    @property
    def all_seconds(self) -> float:
        return sum(self.seconds.values())


@dataclass(frozen=True)
class Failure:
    """Why a part could not be made, in a form that travels between processes."""

    message: str  # for a UserError its text, otherwise the last line of the traceback
    traceback: str
    user_error: bool
    unusable: bool = False  # the store cannot be worked with there: every further part would fail alike
    worker: str = ""  # host:pid, where it is known


Outcome = Made | Failure


@dataclass
class Worker:
    """Makes parts, each on as many threads as any other worker would: the bytes do not depend on where a part is made.

    `make` never raises for what a stage does wrong: it returns the failure.
    """

    loaded: dict[str, Any] = field(default_factory=dict)  # by stage, the last used last; None of what loads nothing

    def cannot_write(self, store: Store) -> str | None:
        """Why nothing made here would come into the store, or None."""
        try:
            store.check_shared()
        except NotShared as error:
            return str(error)
        return None

    def make(self, stage: Stage, part: int, store: Store) -> Outcome:
        try:
            made = self._make(stage, part, store)
        except Unusable as error:
            return Failure(str(error), "", True, unusable=True, worker=worker_name())
        except UserError as error:
            return Failure(str(error), "", True, worker=worker_name())
        except Exception as error:
            return Failure(f"{type(error).__name__}: {error}", traceback.format_exc(), False, worker=worker_name())
        metrics.count(stage, made.seconds, made.bytes, made.memory)
        return made

    def _make(self, stage: Stage, part: int, store: Store) -> Made:
        told: dict[str, Any] = {}  # as the record has it
        size = 0

        def made() -> dict[str, Any]:
            told.update(provenance(stage, clock))
            return told

        forget_peak()
        with fixed_threads(), timed() as clock, sources_noted():
            with store.part(stage, part, made) as out:
                with phase("load"):
                    loaded = self._load(stage)
                stage.process(part, store, loaded, out)
                size = _size(out)
            told = told or provenance(stage, clock)
            return Made(worker_name(), clock.seconds, size, told["peak_memory"])

    def _load(self, stage: Stage) -> Any:
        """What a stage loads, once. The oldest goes only after the newest has come, which may share its networks."""
        name = stage.fingerprint
        with sharing():
            self.loaded[name] = self.loaded.pop(name) if name in self.loaded else stage.setup()
        held = [each for each, loaded in self.loaded.items() if loaded is not None]
        for each in held[:-LOADED_AT_ONCE]:
            del self.loaded[each]
        return self.loaded[name]


def _size(folder: Path) -> int:
    """The bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
