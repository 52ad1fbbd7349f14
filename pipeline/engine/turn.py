"""A worker's turn at a part, timed, with what it says of the parts after it. All pools make parts so."""

import time
from typing import NamedTuple

from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.worker import Failure, Outcome, Worker


class Turn(NamedTuple):
    """How a part went, small enough to travel with many others."""

    outcome: Outcome
    seconds: float
    loading: bool  # the stage was not loaded before

    @property
    def unusable(self) -> bool:
        """Whether the store cannot be worked with: every further part would fail alike."""
        return isinstance(self.outcome, Failure) and self.outcome.unusable


def take(worker: Worker, stage: Stage, part: int, store: Store) -> Turn:
    """Have a worker make a part."""
    loading = stage.fingerprint not in worker.loaded
    started = time.monotonic()
    outcome = worker.make(stage, part, store)
    return Turn(outcome, time.monotonic() - started, loading)


def in_vain(worker: Worker, stage: Stage, outcome: Outcome) -> bool:
    """Whether what the stage needs could not be loaded: its other parts would fail alike."""
    return isinstance(outcome, Failure) and stage.fingerprint not in worker.loaded
