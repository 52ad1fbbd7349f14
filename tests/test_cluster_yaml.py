"""cluster.yaml without a cloud: Ray's own validation, and what it does not look at."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return prepare_config(yaml.safe_load((ROOT / "cluster.yaml").read_text()))


@pytest.fixture
def head(config) -> dict[str, Any]:
    return config["available_node_types"][config["head_node_type"]]


@pytest.fixture
def workers(config) -> list[dict[str, Any]]:
    return [node for name, node in config["available_node_types"].items() if name != config["head_node_type"]]


def test_ray_accepts_it(config):
    validate_config(config)


def test_the_head_takes_no_tasks_and_is_not_started_as_a_worker(head):
    assert head["resources"]["CPU"] == 0
    assert "GPU" not in head["resources"]
    assert head["max_workers"] == 0
    assert "InstanceMarketOptions" not in head["node_config"], "a spot head takes the whole cluster with it"


def test_gpu_workers_are_spot_and_an_idle_cluster_has_none(config, workers):
    assert workers
    for node in workers:
        assert node["min_workers"] == 0
        assert 0 < node["max_workers"] <= config["max_workers"]
        assert node["resources"]["GPU"] >= 1
        assert node["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}


def test_node_configs_say_what_ray_does_not_check(head, workers):
    """A misspelt field of EC2 passes Ray's validation and fails when the first instance starts."""
    known = {"InstanceType", "ImageId", "IamInstanceProfile", "BlockDeviceMappings", "InstanceMarketOptions"}
    for node in [head, *workers]:
        assert set(node["node_config"]) <= known
        assert {"InstanceType", "ImageId", "IamInstanceProfile"} <= set(node["node_config"])


def test_every_node_installs_the_pinned_releases_and_not_rays_nightly_build(config):
    mounts = {Path(remote).name: local for remote, local in config["file_mounts"].items()}
    for name in ("pyproject.toml", "constraints.txt"):
        assert (ROOT / mounts[name]).is_file()

    for node in ("head_setup_commands", "worker_setup_commands"):
        commands = "\n".join(config[node])
        assert "--constraint constraints.txt" in commands
        assert "ray-wheels" not in commands


def test_authentication_is_said_wherever_ray_starts(config):
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        starts = [command for command in commands if "ray start" in command]
        assert starts
        assert all("RAY_AUTH_MODE=token" in command for command in starts)
