"""A Ray cluster of several nodes on this machine, in a process of its own, which loses nodes and gets others when told to.

`python -m benchmarks._chaos_cluster CPUS ...` makes a head without a CPU and a node for each number, prints the address, and
obeys lines of its input: `kill` ends a node as a spot instance ends, `add CPUS` starts one. It ends with its input.
"""

import contextlib
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks._chaos_job import Trial

HERE: dict[str, Any] = {"node_ip_address": "127.0.0.1"}  # no other machine sees it


def main(cpus: list[int], commands: Iterator[str]) -> None:
    from ray.cluster_utils import Cluster

    chance = random.Random(0)
    cluster = Cluster(initialize_head=True, head_node_args={**HERE, "num_cpus": 0, "include_dashboard": False})
    try:
        nodes: list[Any] = [cluster.add_node(num_cpus=each, **HERE) for each in cpus]
        print(cluster.address, flush=True)
        for line in commands:
            if line.startswith("add"):
                nodes.append(cluster.add_node(num_cpus=int(line.split()[1]), **HERE))
            elif nodes:
                cluster.remove_node(nodes.pop(chance.randrange(len(nodes))), allow_graceful=False)
            print("done", flush=True)
    finally:
        cluster.shutdown()


@dataclass
class Nodes:
    """The cluster, as another process tells it what to do."""

    address: str
    process: subprocess.Popen[bytes]

    def tell(self, command: str) -> None:
        """Say something, and wait until it has been done."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()
        if self.process.stdout.readline() != b"done\n":
            raise RuntimeError(f"The cluster did not {command}.")


@contextlib.contextmanager
def cluster(trial: Trial, cpus: list[int]) -> Iterator[Nodes]:
    """A cluster of a trial's own, in whose environment everything must be that its workers need."""
    command = [sys.executable, "-m", "benchmarks._chaos_cluster", *map(str, cpus)]
    with trial.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdin is not None
            address = process.stdout.readline().decode().strip()
            if not address:
                raise RuntimeError(f"The cluster did not start.\n{trial.printed()}")
            yield Nodes(address, process)
            process.stdin.close()
            process.wait(timeout=60)
        finally:
            process.kill()


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]], iter(sys.stdin))
