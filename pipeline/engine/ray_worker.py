"""A worker in a process of Ray's: it is told of a stage once, makes several parts a call, and sees GPUs only if it is to."""

import os
import pickle
import signal
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

import psutil

from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.turn import Turn, in_vain, take
from pipeline.engine.worker import Worker


class Arrival(NamedTuple):
    """Where a worker is, and why nothing made there would come into the store."""

    node: str
    pid: int
    refusal: str | None


class Turns(NamedTuple):
    """How some parts of a stage went, in order. There are fewer than were asked for where the others would have failed, too."""

    turns: list[Turn]
    in_vain: bool  # the stage cannot be loaded
    loaded: list[str]  # the fingerprints of the stages that the worker keeps


@dataclass
class RayWorker:
    """What an actor does. Its answers are small: what is made goes into the store."""

    sees_gpus: bool = True
    worker: Worker = field(default_factory=Worker)
    stages: dict[int, Stage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.sees_gpus:  # Ray leaves an actor that asked for none in sight of all that its machine has
            os.environ["CUDA_VISIBLE_DEVICES"] = ""

    def arrive(self, store: Store) -> Arrival:
        node = sys.modules["ray"].get_runtime_context().get_node_id()
        return Arrival(node, os.getpid(), self.worker.cannot_write(store))

    def make(self, key: int, parts: list[int], store: Store, pickled: bytes | None) -> Turns:
        """Make parts of the stage that is known by a key, or that is told now."""
        if pickled is not None:
            self.stages[key] = pickle.loads(pickled)
        stage, turns, vain = self.stages[key], [], False
        with store.several() if len(parts) > 1 else nullcontext():
            for part in parts:
                turns.append(take(self.worker, stage, part, store))
                vain = in_vain(self.worker, stage, turns[-1].outcome)
                if vain or turns[-1].unusable:
                    break
        return Turns(turns, vain, list(self.worker.loaded))


def end_if_stopped(pid: int) -> bool:
    """Kill a process of this machine that is stopped and would never answer. Whether it was."""
    try:
        process = psutil.Process(pid)
        if process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
            return False
        process.send_signal(signal.SIGKILL)
    except psutil.Error:
        return False
    return True
