"""A job killed or stopped at a random moment, and run again: the bytes are those of an undisturbed run."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.engine.store import Store
from tests.jobs.test_portraits import TINY
from tests.pipeline.planted import wait_for

ROOT = Path(__file__).parents[2]


def start(*arguments: object, env: dict[str, str] | None = None) -> subprocess.Popen:
    """A job in a process group of its own, as a terminal starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **(env or {}), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen) -> str:
    output, complaints = process.communicate(timeout=400)
    assert process.returncode == 0, complaints
    return output


def records(root: Path) -> dict[str, dict]:
    """The sums of every file of every finished part."""
    return {
        f"{path.parent.name}/{path.stem}": json.loads(path.read_text())["files"]
        for path in root.glob("*/*.json")
        if path.stem.replace("-", "").isdigit()
    }


def cleared(root: Path) -> bool:
    """Whether nothing is left in the making once the next run has begun."""
    Store(root).prepare()
    return list((root / ".scratch").iterdir()) == []


def disturb(process: subprocess.Popen, root: Path, least: int, send: signal.Signals) -> tuple[str, str]:
    """Send a signal to the whole group when this many parts are there, as Ctrl-C does; what it printed."""
    wait_for(lambda: len(records(root)) >= least or process.poll() is not None, f"{least} parts")
    os.killpg(process.pid, send)
    return process.communicate(timeout=120)


# Planted numbers: a second each


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "gate").touch()
    finish(start("tests.jobs.planted_job", folder / "root", folder / "gate"))
    return records(folder / "root")


ON_RAY = pytest.param(2, marks=pytest.mark.slow, id="on-ray")


@pytest.mark.parametrize("workers", [pytest.param(0, id="in-process"), ON_RAY])
@pytest.mark.parametrize("send", [pytest.param(signal.SIGKILL, marks=pytest.mark.slow), signal.SIGINT])
def test_a_job_disturbed_in_the_middle_of_a_part_ends_with_the_same_bytes_when_run_again(
    send, workers, undisturbed, tmp_path
):
    root, gate = tmp_path / "root", tmp_path / "gate"
    held = random.Random(int(send)).randint(1, 10)
    print(f"disturbed in part {held}")
    command = ("tests.jobs.planted_job", root, gate, "--held", held, "--workers", workers)

    process = start(*command)
    reached = Path(f"{gate}.reached.{held}")
    wait_for(lambda: reached.exists() or process.poll() is not None, "a part in the making")
    wait_for(lambda: len(records(root)) >= held, "the parts before it")
    output, complaints = disturb(process, root, held, send)

    assert 0 < len(records(root)) < len(undisturbed)
    assert all(undisturbed[part] == sums for part, sums in records(root).items())
    if send == signal.SIGINT:
        assert process.returncode == 130
        assert f"Stopped. {len(records(root))} finished parts are kept in {root}; run the same" in complaints
        assert "Traceback" not in output + complaints and len(complaints.strip().splitlines()) <= 2
    wait_for(lambda: cleared(root), "the workers to end and leave nothing in the making")

    gate.touch()
    assert "Total: " in finish(start(*command))
    assert records(root) == undisturbed


# The real job

ON_RAY = ["2" if before == "--workers" else word for before, word in zip(["", *TINY], TINY, strict=False)]


@pytest.fixture(scope="module")
def whole(tiny_model, tmp_path_factory) -> dict[str, dict]:
    root = tmp_path_factory.mktemp("whole") / "root"
    finish(start("tests.jobs.tiny_faces", tiny_model, *TINY, "--root", root, env={"OMP_NUM_THREADS": "3"}))
    return records(root)


@pytest.mark.slow
def test_the_main_job_makes_the_same_bytes_in_one_process_of_three_threads_and_on_ray(whole, tiny_model, tmp_path):
    finish(start("tests.jobs.tiny_faces", tiny_model, *ON_RAY, "--root", tmp_path / "root"))
    assert records(tmp_path / "root") == whole
    assert len(whole) > 90 and any(part.startswith("catalog-") for part in whole)


@pytest.mark.slow
@pytest.mark.parametrize(("send", "seed"), [(signal.SIGKILL, 1), (signal.SIGKILL, 2), (signal.SIGINT, 3)])
def test_the_main_job_disturbed_at_a_random_moment_makes_the_same_catalog_when_run_again(
    send, seed, whole, tiny_model, tmp_path
):
    root, least = tmp_path / "root", random.Random(seed).randint(1, len(whole) - 4)
    print(f"seed {seed}: disturbed after {least} of {len(whole)} parts")
    command = ("tests.jobs.tiny_faces", tiny_model, *TINY, "--root", root)

    process = start(*command)
    _, complaints = disturb(process, root, least, send)
    assert process.returncode == (130 if send == signal.SIGINT else -signal.SIGKILL), complaints
    assert "Traceback" not in complaints
    assert least <= len(records(root)) < len(whole)
    assert cleared(root)

    finish(start(*command))
    assert records(root) == whole
    [catalog] = (part for part in whole if part.startswith("catalog-"))
    assert "SHA256SUMS" in whole[catalog]


@pytest.mark.slow
def test_the_main_job_moved_from_pool_to_pool_makes_the_same_catalog(whole, tiny_model, tmp_path):
    """Begun in one process, killed; gone on with by one worker of Ray's, stopped; finished by three."""
    root = tmp_path / "root"

    anywhere = [word for before, word in zip(["", *TINY], TINY, strict=False) if "--workers" not in (before, word)]

    def by(workers: int) -> subprocess.Popen:
        return start("tests.jobs.tiny_faces", tiny_model, *anywhere, "--workers", workers, "--root", root)

    disturb(by(0), root, len(whole) // 4, signal.SIGKILL)
    disturb(by(1), root, len(whole) // 2, signal.SIGINT)
    assert len(whole) // 4 <= len(records(root)) < len(whole)
    finish(by(3))
    assert records(root) == whole
