"""Crews look at their cluster: a Ray of one's own that has lost its node ends the run, and does not wait for another one."""

from types import SimpleNamespace

import pytest

from pipeline.engine.crews import Crews
from pipeline.engine.limits import Limits
from pipeline.errors import UserError


def of_one_node(private: bool) -> tuple[Crews, dict]:
    node = {"Alive": True, "Resources": {"CPU": 2.0}}
    ray = SimpleNamespace(nodes=lambda: [node], available_resources=dict)
    return Crews(ray, private, None, lambda text: None, Limits()), node


def test_a_ray_of_ones_own_without_its_node_is_at_an_end():
    crews, node = of_one_node(private=True)
    assert crews.review() == []
    node["Alive"] = False
    with pytest.raises(UserError, match="has ended.*\nRun the same again"):
        crews.review()


def test_a_cluster_without_a_node_waits_for_one():
    crews, node = of_one_node(private=False)
    node["Alive"] = False
    assert crews.review() == [] and crews.size == 0
