"""A Ray cluster of processes on this machine, as people start one: a head without CPUs, and machines that join it elsewhere."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.pipeline.planted import wait_for

BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@dataclass
class Head:
    """A head with a dashboard and a token, and the machines that joined it."""

    folder: Path  # that its processes stand in: nothing of the project is there
    environment: dict[str, str]
    port: int
    dashboard: int
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.dashboard}"

    def ray(self, name: str, *options: object, **variables: str) -> subprocess.Popen:
        """`ray start` with some options, once it says that it runs."""
        printed = self.folder / name
        ports = ["--dashboard-agent-listen-port", free_port(), "--metrics-export-port", free_port()]
        command = [BIN / "ray", "start", "--block", "--node-ip-address", "127.0.0.1", *ports, *options]
        with open(printed, "w") as file:
            process = subprocess.Popen(
                list(map(str, command)),
                cwd=self.folder,
                env={**self.environment, **variables},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        wait_for(lambda: "Ray runtime started" in printed.read_text() or process.poll() is not None, name)
        assert process.poll() is None, printed.read_text()
        return process

    def join(self, name: str, *options: object, **variables: str) -> subprocess.Popen:
        """A machine that joins."""
        return self.ray(name, "--address", f"127.0.0.1:{self.port}", *options, **variables)


@contextmanager
def head(folder: Path, types: dict[str, dict[str, Any]] | None = None, **variables: str) -> Iterator[Head]:
    """A head that takes no task. All that was started ends with it. types: machines that come when they are asked for."""
    session = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # paths of sockets may not be long
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    plain = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RAY_ADDRESS")}
    fake = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"} if types else {}
    environment = {**plain, **token, **fake, "PATH": f"{BIN}:{os.environ['PATH']}", **variables}
    started = Head(folder, environment, free_port(), free_port())
    ports = ["--port", started.port, "--dashboard-host", "127.0.0.1", "--dashboard-port", started.dashboard]
    try:
        scaled = ["--autoscaling-config", autoscaling(types, started)] if types else []
        started.ray("head", "--head", "--num-cpus", 0, *ports, "--temp-dir", session, *scaled)
        yield started
    finally:
        end(token["RAY_AUTH_TOKEN"])
        shutil.rmtree(session, ignore_errors=True)


def lose(machine: subprocess.Popen) -> None:
    """Have a machine that joined vanish with all that runs there, without a word to anybody."""
    gone = [*psutil.Process(machine.pid).children(recursive=True), psutil.Process(machine.pid)]
    for process in gone:
        with suppress(psutil.Error):
            process.kill()
    machine.wait(60)


def end(token: str) -> None:
    """End every process of the cluster that has this token."""
    ended = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get("RAY_AUTH_TOKEN") == token:
                process.kill()
                ended.append(process)
    psutil.wait_procs(ended, timeout=60)


def autoscaling(types: dict[str, dict[str, Any]], of: Head) -> Path:
    """A file by which a head starts processes as machines of these types, as Ray's own tests have it."""
    nodes = {name: {**each, "node_config": {}} for name, each in types.items()}
    lists = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    config = {
        "cluster_name": "fake",
        "max_workers": sum(each["max_workers"] for each in nodes.values()),
        "idle_timeout_minutes": 60,
        "upscaling_speed": 1.0,
        "provider": {"type": "fake_multinode", "gcs_address": f"127.0.0.1:{of.port}"},
        "available_node_types": {
            **nodes,
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        },
        "head_node_type": "ray.head.default",
        "auth": {},
        "docker": {},
        **{f"{name}_commands": [] for name in lists},
        "file_mounts": {},
        "cluster_synced_files": [],
        "file_mounts_sync_continuously": False,
        "rsync_exclude": [],
        "rsync_filter": [],
    }
    path = of.folder / "autoscaling.json"
    path.write_text(json.dumps(config))
    return path
