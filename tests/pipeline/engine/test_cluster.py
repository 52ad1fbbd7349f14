"""How many workers fit on a cluster, and what is said where none does."""

import math

import pytest

from pipeline.engine.cluster import Cluster


@pytest.mark.parametrize(
    ("machines", "without", "with_one", "with_half"),
    [
        ([(0, 4)], 4, 0, 0),
        ([(2, 8)], 6, 2, 4),
        ([(2, 2)], 1, 2, 4),
        ([(8, 0)], 0, 8, 16),
        ([(1, 4), (1, 4), (0, 2)], 8, 2, 4),
        ([], 0, 0, 0),
    ],
)
def test_there_is_room_for_as_many_workers_of_each_kind_as_there_are_devices_for(
    machines, without, with_one, with_half
):
    cluster = Cluster(tuple({"GPU": float(gpus), "CPU": float(cpus)} for gpus, cpus in machines))
    assert [cluster.room(gpus) for gpus in (0, 1, 0.5)] == [without, with_one, with_half]


def test_who_asks_for_workers_has_a_cpu_for_each_of_both_kinds():
    cluster = Cluster(({"GPU": 2.0, "CPU": 8.0},))
    assert [cluster.room(gpus, asked) for asked in (1, 4, 9) for gpus in (1, 0)] == [1, 1, 2, 4, 2, 8]
    assert Cluster(({"GPU": 2.0, "CPU": 2.0},)).room(0, 2) == 2


def test_a_worker_with_two_gpus_does_not_stand_on_two_machines():
    assert Cluster(({"GPU": 1.0}, {"GPU": 1.0}, {"GPU": 5.0})).room(2) == 2


def test_a_fraction_of_a_gpu_lies_on_one_gpu():
    """Two thirds of each of two GPUs are used by two workers; the thirds that are left are no room for a third one."""
    assert Cluster(({"GPU": 2.0},)).room(0.66) == 2


def test_the_memory_is_of_the_largest_machine_and_of_all():
    cluster = Cluster(({"CPU": 1, "memory": 3e9, "object_store_memory": 1e9}, {"CPU": 1, "memory": 2e9}))
    assert (cluster.memory, cluster.all_memory) == (4e9, 6e9)
    assert (Cluster(()).memory, Cluster(()).all_memory) == (math.inf, math.inf)


def test_what_is_waited_for_is_said_with_numbers():
    empty, cpus, gpus = (Cluster(each) for each in ((), ({"CPU": 4},), ({"CPU": 4, "GPU": 1}, {"GPU": 1})))
    assert empty.lacks(0) == "Waiting for a worker: the cluster has 0 nodes with a CPU for it."
    assert cpus.lacks(1) == "Waiting for a worker with a GPU: the cluster has 0 nodes with a GPU for it."
    assert gpus.lacks(1) == gpus.lacks(1, {"GPU": 1.0}) == ""
    assert gpus.lacks(1, {"GPU": 0.5}) == "Waiting for a GPU: all 2 of the cluster, on 2 nodes, are in use."
    assert gpus.lacks(0.5, {"GPU": 0.5}) == ""
    assert gpus.lacks(0, {}) == "Waiting for a CPU: all 4 of the cluster, on 1 node, are in use."
