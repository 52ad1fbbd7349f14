"""Where, when and with what a part was made, and what it took: what its record says beside its files.

Nothing here changes what the part should contain.
"""

import importlib.metadata
import os
import platform
import socket
import sys
import time
from functools import cache
from typing import Any

from pipeline.engine.machines import NO_GPU, MachineKind, cpu, packages, so_far
from pipeline.engine.source_code import source_code
from pipeline.engine.stage import Stage
from pipeline.engine.threads import THREADS
from pipeline.engine.usage import gpu_name, peak_gpu_memory, peak_memory
from pipeline.phases import Clock

_PACKAGES = ("torch", "torchvision", "diffusers", "numpy", "pyarrow", "scikit-learn", "facenet-pytorch", "ray")
_EXTRAS = ("timm", "transformers", "onnxruntime", "onnxruntime-gpu")  # where they are installed


def now() -> str:
    """The time of the clock of this machine, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def worker_name() -> str:
    """What tells this process from all others that make parts."""
    return f"{socket.gethostname()}:{os.getpid()}"


def provenance(stage: Stage, clock: Clock) -> dict[str, Any]:
    """What is known of a part of a stage at the end of its making. `machines` are its own, and those behind what it has read."""
    seconds = clock.seconds
    code = source_code()
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "time": now(),
        "machine": platform.machine(),
        "cpu": cpu(),
        "gpu": gpu_name() if stage.resources.gpus else None,
        **_ray_ids(),
        "python": platform.python_version(),
        "threads": THREADS,
        **_versions(),
        "commit": code.commit,
        "modified": code.modified,
        "code_sha256": code.sha256,
        "seconds": round(sum(seconds.values()), 3),
        "seconds_by_phase": seconds,
        "peak_memory": peak_memory(),
        "peak_gpu_memory": peak_gpu_memory(),
        "machines": _records(frozenset({kind_of(stage), *so_far()})),
    }


def kind_of(stage: Stage) -> MachineKind:
    """The kind of machine that this process is to a stage."""
    gpu = (gpu_name() or NO_GPU) if stage.resources.gpus else ""
    return MachineKind(cpu(), gpu, packages(), source_code().modified)


def _ray_ids() -> dict[str, str]:
    """Which task of Ray's this is, and on which of its nodes; nothing elsewhere."""
    ray = sys.modules.get("ray")
    if not (ray and ray.is_initialized()):
        return {}
    context = ray.get_runtime_context()
    task = context.get_task_id() if context.worker.mode == ray.WORKER_MODE else None
    return {"ray_node": context.get_node_id(), **({"ray_task": task} if task else {})}


@cache
def _records(kinds: frozenset[MachineKind]) -> list[dict[str, Any]]:
    return [each.record() for each in sorted(kinds)]


@cache
def _versions() -> dict[str, str]:
    extras = {package: found for package in _EXTRAS if (found := _installed(package))}
    return {package: importlib.metadata.version(package) for package in _PACKAGES} | extras


def _installed(package: str) -> str | None:
    """The version of a package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
