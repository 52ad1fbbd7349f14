"""What workers on Ray count, for its metrics: `ray_` and the names below, where Prometheus asks the nodes of a cluster.

`cluster/grafana.json` is a dashboard of them.
"""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from pipeline.engine.stage import Stage

PREFIX = "ray_"  # that Ray puts before the name of whatever it exports
COUNTERS = {
    "hspace_parts_total": ("Parts that were made.", ("stage",)),
    "hspace_samples_total": ("Images that were sampled, edited, inverted or scored, about.", ("stage",)),
    "hspace_bytes_total": ("Bytes of finished parts.", ("stage",)),
    "hspace_seconds_total": ("Seconds that parts took, by phase.", ("stage", "phase")),
    "hspace_retries_total": ("Parts that were begun again: their worker died, or they were too slow.", ("stage",)),
    "hspace_failures_total": ("Parts that were given up.", ("stage",)),
}
GAUGES = {"hspace_peak_memory_bytes": ("RAM that a worker held at most during its last part of a stage.", ("stage",))}
NAMES = (*COUNTERS, *GAUGES)


def count(stage: Stage, seconds: Mapping[str, float], size: int, memory: int) -> None:
    """Count a part that was made: its seconds by phase, its bytes, and what the worker held at most."""
    add("hspace_parts_total", 1, stage=stage.name)
    add("hspace_samples_total", stage.part_samples(), stage=stage.name)
    add("hspace_bytes_total", size, stage=stage.name)
    for phase, each in seconds.items():
        add("hspace_seconds_total", each, stage=stage.name, phase=phase)
    if ray := _ray():
        _gauge(ray, "hspace_peak_memory_bytes").set(memory, tags={"stage": stage.name})


def add(name: str, value: float, **tags: str) -> None:
    """Add to a counter, in a process of Ray's; nothing elsewhere."""
    if value > 0 and (ray := _ray()):
        _counter(ray, name).inc(value, tags=tags)


def _ray() -> Any:
    """The module ray, where this process is connected to one."""
    ray = sys.modules.get("ray")
    return ray if ray and ray.is_initialized() else None


@cache
def _counter(ray: Any, name: str) -> Any:
    from ray.util.metrics import Counter

    about, tags = COUNTERS[name]
    return Counter(name, about, tag_keys=tags)


@cache
def _gauge(ray: Any, name: str) -> Any:
    from ray.util.metrics import Gauge

    about, tags = GAUGES[name]
    return Gauge(name, about, tag_keys=tags)
