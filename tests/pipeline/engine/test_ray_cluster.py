"""A cluster of several real nodes, which come and go while a job works on it."""

import secrets
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster

from pipeline.engine.limits import Limits
from pipeline.engine.plan import plan
from pipeline.engine.progress import Progress
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.ray_start import read_again
from pipeline.engine.runner import run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from tests.pipeline.planted import Crowded, Refused, Total, wait_for

ROOT = Path(__file__).parents[3]
HERE = {"node_ip_address": "127.0.0.1"}  # where no other machine sees it
SOON = Limits(review=0.5, again=1.0)


class Listening(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def head(monkeypatch):
    """A cluster of one node that takes no work, which a job would find that was submitted to it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    read_again()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **HERE})
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def in_background(store: Store, goal: Stage, pool: RayPool) -> threading.Thread:
    thread = threading.Thread(target=run, args=(plan((goal,), store), store, lambda: pool, Progress()), daemon=True)
    thread.start()
    return thread


def test_a_job_waits_for_nodes_and_says_so_and_uses_those_that_come_and_survives_those_that_go(head, tmp_path):
    listening = Listening()
    said = listening.said
    marks = tmp_path / "marks"
    marks.mkdir()
    store = Store(tmp_path / "root")
    store.prepare()
    numbers = Crowded(parts=6, awaited=3, marks=str(marks))
    thread = in_background(store, Total(numbers), RayPool(audience=listening, limits=SOON))

    wait_for(lambda: len(said) > 1, "the job to say twice what it waits for")
    assert set(said) == {"Waiting for a worker: the cluster has 0 nodes with a CPU for it."}
    first = head.add_node(num_cpus=1, **HERE)
    wait_for(lambda: list(marks.glob("part.*")), "a part to begin on the first node")
    head.add_node(num_cpus=1, **HERE)
    wait_for(lambda: len(list(marks.glob("part.*"))) == 2, "a part to begin on the second node")
    head.remove_node(first, allow_graceful=False)
    head.add_node(num_cpus=1, **HERE)
    thread.join(120)
    assert not thread.is_alive()
    assert store.text(Total(numbers), "total.txt") == "15\n"


def test_one_machine_that_cannot_write_ends_no_run_and_all_of_them_do(head, tmp_path):
    listening, store, numbers = Listening(), Store(tmp_path / "root"), Refused(parts=12)
    store.prepare()
    head.add_node(num_cpus=1, env_vars={"CANNOT_WRITE": "1"}, **HERE)
    head.add_node(num_cpus=1, **HERE)
    head.wait_for_nodes()
    run(plan((numbers,), store), store, lambda: RayPool(audience=listening, limits=SOON), Progress())
    assert store.missing(numbers) == []
    told = [each for each in listening.said if "given nothing more" in each]
    assert len(told) <= 1 and all("The disk of this machine is full." in each for each in told)

    more = Refused(parts=12, start=50)
    other = Listening()
    head.add_node(num_cpus=1, env_vars={"CANNOT_WRITE": "1"}, **HERE)
    with pytest.raises(UserError, match="The disk of this machine is full"):
        run(plan((replace(more, parts=200),), store), store, lambda: RayPool(audience=other, limits=SOON), Progress())
