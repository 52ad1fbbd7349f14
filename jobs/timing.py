"""How long a plan would take, from one batch that is timed on this machine."""

import os
import time
from collections.abc import Sequence
from itertools import islice

import torch

from jobs.where import Where
from pipeline.engine.plan import StagePlan
from pipeline.engine.threads import fixed_threads
from pipeline.stages.sources.source import Source

STEPS = 2  # timed, after a first one that is not


def hours(plans: Sequence[StagePlan], where: Where) -> float | None:
    """Return how long what is planned would take; None where no model is run. What is not the U-Net's work is not counted."""
    work = sum(each.work for each in plans)
    sources = [source for each in plans if isinstance(source := getattr(each.stage, "sample", each.stage), Source)]
    if not work:
        return 0.0
    if not sources:
        return None
    return work * seconds_a_pass(sources[0]) / _at_once(where) / 3600


def seconds_a_pass(source: Source) -> float:
    """Time passes of a batch through the U-Net, and return the seconds an image."""
    with fixed_threads():
        loaded, ids = source.load(), range(min(source.batch, source.n))
        states = source.reverse_process.states(source.denoiser(loaded, ids), source.noise(loaded, ids))
        next(states)
        started = _now()
        passes = len(list(islice(states, STEPS)))
        return (_now() - started) / max(1, passes) / len(ids)


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic()


def _at_once(where: Where) -> int:
    """How many workers run networks at a time, on a machine like this one."""
    return max(1, where.workers or (1 if where.workers == 0 else torch.cuda.device_count() or os.cpu_count() or 1))
