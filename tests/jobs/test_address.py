"""A job on a cluster that was started elsewhere: a real `ray start` in another folder, joined with its token."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.pipeline.planted import wait_for

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Its address, and the environment that a job needs to join it."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    session = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # paths of sockets may not be long
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment = {**os.environ, **token, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    command = f"start --head --block --port {port} --num-cpus 2 --include-dashboard false --temp-dir {session}"
    with open(elsewhere / "printed", "w") as printed:
        head = subprocess.Popen(
            [Path(sys.executable).parent / "ray", *command.split()],
            cwd=elsewhere,
            env=environment,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    wait_for(
        lambda: "Ray runtime started" in (elsewhere / "printed").read_text() or head.poll() is not None, "a cluster"
    )
    assert head.poll() is None, (elsewhere / "printed").read_text()
    yield f"127.0.0.1:{port}", environment
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("RAY_AUTH_TOKEN") == token["RAY_AUTH_TOKEN"]:
                process.kill()
    head.wait(60)
    shutil.rmtree(session, ignore_errors=True)


@pytest.fixture
def gate(tmp_path) -> Path:
    (tmp_path / "gate").touch()
    return tmp_path / "gate"


def job(cluster, root: object, gate: Path, *options: str, **more: str) -> subprocess.CompletedProcess:
    address, environment = cluster
    command = [sys.executable, "-m", "tests.jobs.planted_job", str(root), str(gate), "--address", address, *options]
    environment = {**environment, **more}
    return subprocess.run(
        command, cwd=gate.parent, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_parts_are_made_by_the_workers_of_a_cluster(cluster, gate, tmp_path):
    done = job(cluster, tmp_path / "root", gate, "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert [path.read_text() for path in tmp_path.glob("root/total-*/00000-*/total.txt")] == [
        "506\n"
    ]  # 0 + 1 + 4 ... + 121
    assert list((tmp_path / "root" / ".scratch").iterdir()) == []


def refused(done: subprocess.CompletedProcess, *messages: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("Error: ") and len(done.stderr.splitlines()) <= 4
    for message in messages:
        assert message in done.stderr


def test_a_relative_root_is_refused_before_anything_starts(cluster, gate, tmp_path):
    done = job(cluster, "runs/planted", gate, "--workers", "2")
    refused(
        done,
        "--root runs/planted is relative",
        "Give --root as the absolute path of a folder that this machine and all",
    )
    assert "Starting Ray" not in done.stdout and not (tmp_path / "runs").exists()


def test_a_root_that_is_another_folder_for_the_workers_is_refused_and_nothing_is_made(cluster, gate, tmp_path):
    """An absolute path that means something else to each process stands in for the disk of another machine."""
    done = job(cluster, "/proc/self/cwd/root", gate, "--workers", "2")
    refused(
        done,
        "does not share the folder /proc/self/cwd/root: it finds no such folder",
        "Give --root as the absolute path",
    )
    assert not [path for path in (tmp_path / "root").glob("*-*") if path.is_dir()]  # beside the events of the run


def test_a_cluster_and_this_process_cannot_both_do_the_work(cluster, gate, tmp_path):
    done = job(cluster, tmp_path / "root", gate, "--workers", "0")
    refused(done, "--workers 0 works in this process, and --address", "Leave one of them out")
    assert not (tmp_path / "root").exists()
