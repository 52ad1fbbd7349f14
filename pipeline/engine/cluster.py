"""What a cluster has: machines that take workers, how many of a kind fit on them, and what is said where none does."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CPUS, GPUS = "CPU", "GPU"


@dataclass(frozen=True)
class Cluster:
    """The machines that take workers, by what each has. The head node may take none."""

    machines: tuple[Mapping[str, float], ...]

    @staticmethod
    def of(ray: Any) -> "Cluster":
        """The cluster that this process is connected to, as it is now."""
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return Cluster(tuple(each for each in alive if each.get(CPUS) or each.get(GPUS)))

    @property
    def cpus(self) -> int:
        return int(sum(each.get(CPUS, 0) for each in self.machines))

    @property
    def gpus(self) -> int:
        return int(sum(each.get(GPUS, 0) for each in self.machines))

    @property
    def memory(self) -> float:
        """Bytes of the largest machine; infinite where there is none yet."""
        return max(map(_memory_of, self.machines), default=math.inf)

    @property
    def all_memory(self) -> float:
        """Bytes of all machines."""
        return sum(map(_memory_of, self.machines)) or math.inf

    def room(self, gpus: float, asked: int | None = None) -> int:
        """How many workers with so many GPUs fit, or, with 0, how many without; at most those that were asked for.

        Those with a GPU need a CPU beside it: where nothing else is said, that many fewer work without.
        """
        if gpus:
            fit = sum(_fit(each.get(GPUS, 0), gpus) for each in self.machines)
            return min(asked or fit, fit)
        return min(asked or max(self.cpus - self.gpus, 1), self.cpus)

    def lacks(self, gpus: float, free: Mapping[str, float] | None = None) -> str:
        """What a worker with so many GPUs, or without, waits for, by what the cluster has, and by what of it is free; or ""."""
        kind = GPUS if gpus else CPUS
        having = [each[kind] for each in self.machines if each.get(kind)]
        if not having:
            what = "a worker with a GPU" if gpus else "a worker"
            return f"Waiting for {what}: the cluster has 0 nodes with a {kind} for it."
        if free is None or free.get(kind, 0) >= (gpus or 1):
            return ""
        nodes = "1 node" if len(having) == 1 else f"{len(having)} nodes"
        return f"Waiting for a {kind}: all {sum(having):g} of the cluster, on {nodes}, are in use."


def _fit(has: float, each: float) -> int:
    """How many workers share the GPUs of a machine. Ray gives fractions of one, or whole ones."""
    return int(has) * int(1 / each) if each < 1 else int(has // each)


def _memory_of(resources: Mapping[str, float]) -> float:
    """Bytes that a machine has: what Ray found free, and what it keeps for objects, of which there are hardly any here."""
    return resources.get("memory", 0.0) + resources.get("object_store_memory", 0.0)
