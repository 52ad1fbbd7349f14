"""How long a plan would take, from one batch that is timed on this machine."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from jobs.where import Where
from pipeline.engine.plan import StagePlan
from pipeline.engine.stage import Stage
from pipeline.engine.threads import fixed_threads
from pipeline.stages.sources.dtypes import Dtypes, machine, said
from pipeline.stages.sources.source import Source

STEPS = 2  # timed, after a first one that is not


@dataclass(frozen=True)
class Estimate:
    """What the passes through a network take that are planned, on as many of a device as there are workers."""

    seconds_a_pass: float  # of one image
    batch: int
    device: str
    on_gpu: bool
    gpu_memory: int  # bytes, at most
    hours: float  # of the device, in all

    @property
    def unit(self) -> str:
        return "GPU-hours" if self.on_gpu else "hours of a CPU core"

    def on_the_clock(self, plans: Sequence[StagePlan], workers: int) -> float:
        """Hours with so many workers, each stage after the one before: parts of a stage are made so many at a time."""
        rounds = sum(-(-len(each.todo) // workers) * each.stage.part_work() for each in plans)
        return rounds * self.seconds_a_pass / 3600


def estimate(plans: Sequence[StagePlan]) -> Estimate | None:
    """Return what the plans would take, by a batch that is timed now; None where no model is run."""
    sources = [source for each in plans if isinstance(source := getattr(each.stage, "sample", each.stage), Source)]
    if not sources:
        return None
    work, on_gpu = sum(each.work for each in plans), torch.cuda.is_available()
    seconds = seconds_a_pass(sources[0]) if work else 0.0
    return Estimate(
        seconds_a_pass=seconds,
        batch=sources[0].batch,
        device=torch.cuda.get_device_name() if on_gpu else "a CPU core of this machine",
        on_gpu=on_gpu,
        gpu_memory=torch.cuda.max_memory_reserved() if on_gpu else 0,
        hours=work * seconds / 3600,
    )


def seconds_a_pass(source: Source) -> float:
    """Time passes of a batch through the U-Net, and return the seconds an image."""
    with fixed_threads():
        loaded, ids = source.load(), range(min(source.batch, source.n))
        states = source.reverse_process.states(source.denoiser(loaded, ids), source.noise(loaded, ids))
        next(states)
        started = _now()
        passes = len(list(islice(states, STEPS)))
        return (_now() - started) / max(1, passes) / len(ids)


def timed_here(stages: Sequence[Stage]) -> Iterator[str]:
    """Sentences on what is yet to be chosen by timings, as they are on this machine; nothing of them is kept."""
    for stage in stages:
        if isinstance(stage, Dtypes):
            with fixed_threads():
                found = stage.timed(stage.setup())
            yield f"Timed on this machine, as a run would do: {said(found, machine())}"


def workers_at_once(where: Where) -> int:
    """How many workers run networks at a time, on a machine like this one."""
    return max(1, where.workers or (1 if where.workers == 0 else torch.cuda.device_count() or os.cpu_count() or 1))


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic()
