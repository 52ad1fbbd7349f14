"""Jobs through the real job server of a real cluster: a head without CPUs, a machine that has nothing of the project, a token."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks._chaos_bucket import count_records, fetched
from benchmarks._chaos_check import Truth
from benchmarks._chaos_job import records
from benchmarks._servers import BUCKET, Server, moto
from tests.jobs.clusters import Head, head, lose
from tests.pipeline.planted import wait_for

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WORKER = ("--num-cpus", 2)
PLUGS = """
from pathlib import Path

import pipeline
from my_parts import brightness
from pipeline.annotators import attributes

assert "_ray_pkg_" in pipeline.__file__, "code of this machine, and not what travelled along"


@attributes("bright")
def annotator(images):
    return brightness(images)


@attributes("bright")
def judge(images):
    return images.max(axis=(1, 2, 3))[:, None].astype("float32")
"""
PARTS = """
def brightness(images):
    return images.mean(axis=(1, 2, 3))[:, None]
"""
RUN = """
annotator = "my_plugs:annotator"
judge = "my_plugs:judge"
samples = 12
steps = 2
top = 4
components = 2
held_out = 6
jacobians = 0
capture = "mid_block"
"""


@pytest.fixture(scope="module")
def bucket() -> Iterator[Server]:
    """An S3 server, whose keys the machines of the cluster have and nobody else."""
    with moto() as server:
        yield server


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, bucket) -> Iterator[Head]:
    """A head and one worker."""
    with head(tmp_path_factory.mktemp("elsewhere"), **bucket.environment()) as started:
        started.join("worker", *WORKER)
        yield started


@pytest.fixture
def here(tmp_path, tiny_model) -> Path:
    """The folder that one stands in: a run, plugs, a model that is small enough to travel along, and images."""
    (tmp_path / "my_plugs.py").write_text(PLUGS)
    (tmp_path / "my_parts.py").write_text(PARTS)
    (tmp_path / "run.toml").write_text(f'model = "{tiny_model}"\n{RUN}')
    (tmp_path / "images").mkdir()
    for number in range(6):
        Image.fromarray(np.full((20, 20, 3), 40 * number, np.uint8)).save(tmp_path / "images" / f"{number}.png")
    return tmp_path


def client(cluster: Head, here: Path, *arguments: object) -> subprocess.Popen:
    """`python -m jobs.submit`, as a person calls it elsewhere, who has the project and the token."""
    plain = {name: value for name, value in cluster.environment.items() if not name.startswith("AWS_")}
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.submit", *map(str, arguments), "--address", cluster.address],
        cwd=here,
        env={**plain, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def submit(cluster: Head, here: Path, *arguments: object) -> subprocess.CompletedProcess:
    process = client(cluster, here, *arguments)
    output, complaints = process.communicate(timeout=550)
    return subprocess.CompletedProcess(process.args, process.returncode, output, complaints)


def id_of(printed: str) -> str:
    found = re.search(r"^Submitted: (\S+) to", printed, re.MULTILINE)
    assert found, printed
    return found[1]


def annotate(here: Path, root: Path | str) -> tuple[object, ...]:
    """The smallest of the jobs: the images are scored, which lie where all machines see them."""
    shared = ("--shared", here / "images")
    return ("--job", "annotate", here / "images", "--annotator", "pixels", "--workers", 1, "--root", root, *shared)


def test_a_run_with_plugs_and_a_model_that_travel_along_ends_in_a_bucket_that_only_the_machines_have_keys_of(
    cluster, here, bucket
):
    done = submit(cluster, here, "run.toml", "--root", bucket.url("run"), "--workers", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("workers", "releases", "authentication", "clocks", "files", "space", "scratch", "store", "models"):
        assert re.search(rf"^ok +{name} ", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^skipped +GPU memory +no machine has a GPU", done.stdout, re.MULTILINE)
    assert re.search(r"^Plug: .*my_parts.py", done.stdout, re.MULTILINE)
    assert f"s3://{BUCKET}/run is written and read by 2 machines" in done.stdout

    client = bucket.client()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="run/")
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    assert any(re.fullmatch(r"run/catalog-\w+/[^/]+/directions.safetensors", key) for key in keys), keys
    found = json.loads(client.get_object(Bucket=BUCKET, Key="run/preflight.json")["Body"].read())
    assert {each["state"] for each in found} == {"ok", "skipped"}


def test_a_machine_that_is_lost_in_mid_run_changes_nothing_of_what_is_made(cluster, here, bucket):
    more = ("run.toml", "--samples", 48, "--batch", 4)
    second = cluster.join("second", *WORKER)
    job = client(cluster, here, *more, "--root", bucket.url("lost"), "--workers", 4, "--skip-preflight")
    wait_for(lambda: count_records(bucket, "lost") >= 12 or job.poll() is not None, "parts")
    assert job.poll() is None, "\n".join(job.communicate())
    lose(second)
    printed, complaints = job.communicate(timeout=550)
    assert job.returncode == 0, printed + complaints

    made = fetched(bucket, "lost", here / "fetched")
    nodes = {json.loads(path.read_text())["made"].get("ray_node") for path in records(made)}
    assert len(nodes - {None}) == 2, "both machines made parts"
    (here / "my_plugs.py").write_text("\n".join(line for line in PLUGS.splitlines() if "assert" not in line))
    alone = [sys.executable, "-m", "jobs.directions", *map(str, more), "--workers", "0", "--root", "alone"]
    subprocess.run(alone, cwd=here, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    truth = Truth.of(here / "alone")
    names_its_model = {part for part in truth.parts if part.startswith(("catalog-", "explorer-"))}
    assert len(names_its_model) == 2, "which is another path on the cluster"
    lost = [each for each in truth.losses(made) if not each.startswith(("catalog-", "explorer-"))]
    assert lost == [] and len(truth.parts) == len(list(records(made)))
    vectors = [next(root.glob("catalog-*/*/directions.safetensors")).read_bytes() for root in (made, here / "alone")]
    assert vectors[0] == vectors[1]


def test_scores_are_those_of_the_images_and_the_same_again_makes_nothing_twice(cluster, here):
    root = here / "root"
    done = submit(cluster, here, *annotate(here, root))
    assert done.returncode == 0, done.stdout + done.stderr
    table = pq.read_table(root / "annotations" / "images.parquet").to_pandas()
    [brightness] = [name for name in table.columns if name.endswith("brightness")]
    assert len(table) == 6 and table[brightness].is_monotonic_increasing and table[brightness].nunique() == 6

    again = submit(cluster, here, "resubmit", id_of(done.stdout))
    assert again.returncode == 0, again.stdout + again.stderr
    assert re.search(r"\d+ of \d+ parts", done.stdout) and not re.search(r"\d+ of \d+ parts", again.stdout)

    found = submit(cluster, here, "status").stdout
    assert found.count("SUCCEEDED") >= 2 and id_of(again.stdout) in found


def test_a_job_that_is_refused_ends_with_its_exit_code_and_its_words(cluster, here):
    done = submit(cluster, here, *annotate(here, here / "root"), "--size", "nothing", "--skip-preflight")
    assert done.returncode == 2
    assert "Error: --size is 'nothing': expected HEIGHTxWIDTH" in done.stdout
    assert "To go on from there: python -m jobs.submit resubmit" in done.stderr


def test_ctrl_c_leaves_the_job_running_and_stop_ends_it(cluster, here):
    process = client(cluster, here, "run.toml", "--root", here / "root", "--workers", 1)
    assert process.stdout
    printed = ""
    while "ok      workers" not in printed:  # it runs on the cluster
        line = process.stdout.readline()
        assert line, printed + (process.stderr.read() if process.stderr else "")
        printed += line
    name = id_of(printed)
    os.killpg(process.pid, signal.SIGINT)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"To stop it: python -m jobs.submit stop {name} --address {cluster.address}" in complaints

    assert "RUNNING" in submit(cluster, here, "status", name).stdout
    again = submit(cluster, here, "resubmit", name)
    assert again.returncode == 2 and "RUNNING" in again.stderr
    assert f"Stopped: {name}" in submit(cluster, here, "stop", name).stdout
    wait_for(lambda: "STOPPED" in submit(cluster, here, "status", name).stdout, "the job to stop")
    assert "ok      workers" in submit(cluster, here, "logs", name, "--no-wait").stdout


def test_what_is_wrong_on_one_machine_is_found_before_any_work(cluster, here, bucket, tmp_path_factory):
    """It has another package, whose metadata stands first on the path there, and another store of the same name."""
    other = tmp_path_factory.mktemp("other") / "numpy-0.0.1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.0.1\n")
    with moto() as elsewhere:
        odd = cluster.join("odd", *WORKER, PYTHONPATH=str(other.parent), AWS_ENDPOINT_URL=elsewhere.endpoint)
        try:
            done = submit(cluster, here, *annotate(here, bucket.url("unshared")))
        finally:
            odd.terminate()
            odd.wait(60)
    assert done.returncode == 2, done.stdout
    assert re.search(r"^failed +releases +numpy 0.0.1 instead of \d", done.stdout, re.MULTILINE), done.stdout
    assert "Install the same releases on every machine" in done.stdout
    assert re.search(r"^failed +store +\S+ reads nothing where the machine before it left", done.stdout, re.MULTILINE)
    assert "Error: The cluster is not ready: releases, store. Nothing was begun." in done.stdout
    assert "annotate-images" not in done.stdout


def test_a_cluster_at_zero_is_asked_for_a_machine_of_its_own_kind(here, tmp_path_factory):
    """The node types of cluster.yaml, with processes as machines: the first one comes because a job asks for it."""
    import yaml

    types = yaml.safe_load((ROOT / "cluster.yaml").read_text())["available_node_types"]
    gpu = {"resources": {"CPU": 2}, "min_workers": 0, "max_workers": types["gpu"]["max_workers"]}
    with head(tmp_path_factory.mktemp("autoscaling"), {"gpu": gpu}) as started:
        done = submit(started, here, *annotate(here, here / "root"))
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"^ok +workers +1 with 2 CPUs", done.stdout, re.MULTILINE), done.stdout
        assert (here / "root" / "annotations" / "images.parquet").exists()
