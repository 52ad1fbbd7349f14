"""The files of clusters, without a cloud: Ray's own validation, and what it does not look at."""

import os
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from typer.main import get_command

from jobs.command_line import app
from jobs.directions import directions
from jobs.submit import application
from pipeline.engine.stage import Resources

ROOT = Path(__file__).parents[1]
CLOUDS = ("cluster.yaml", "cluster/gcp.yaml")
LAUNCHED = (*CLOUDS, "cluster/on-prem.yaml")

# CPUs and GPUs of machine types, as their vendors list them (aws.amazon.com/ec2/instance-types,
# cloud.google.com/compute/docs/machine-resource, 2026-11).
MACHINES = {"m7i.xlarge": (4, 0), "g6.xlarge": (4, 1), "n2-standard-4": (4, 0), "g2-standard-4": (4, 1)}
RELEASES = {"ubuntu-24.04": (3, 12), "ubuntu-accelerator-2404": (3, 12)}  # Python of images, by a piece of their names
GIGABYTES = 60  # of the disk that the system, PyTorch (6 GB), networks and parts in the making have to fit on
WANTED = Resources(gpus=1)  # what sampling asks for


def loaded(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.fixture(params=LAUNCHED)
def config(request) -> dict[str, Any]:
    return prepare_config(loaded(request.param))


@pytest.fixture(params=CLOUDS)
def cloud(request) -> dict[str, Any]:
    return prepare_config(loaded(request.param))


def head_of(config: dict[str, Any]) -> dict[str, Any]:
    return config["available_node_types"][config["head_node_type"]]


def workers_of(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [node for name, node in config["available_node_types"].items() if name != config["head_node_type"]]


def machine_of(node: dict[str, Any]) -> str:
    return node["node_config"].get("InstanceType") or node["node_config"]["machineType"]


def test_ray_accepts_it(config):
    validate_config(config)


def test_the_head_takes_no_tasks_and_is_not_started_as_a_worker(cloud):
    head = head_of(cloud)
    assert head["resources"] == {"CPU": 0}
    assert head["max_workers"] == 0
    assert not is_spot(head), "a spot head takes the whole cluster with it"


def is_spot(node: dict[str, Any]) -> bool:
    config = node["node_config"]
    return (
        config.get("InstanceMarketOptions") == {"MarketType": "spot"}
        or config.get("scheduling", {}).get("provisioningModel") == "SPOT"
    )


def test_gpu_workers_are_spot_and_an_idle_cluster_has_none(cloud):
    assert workers_of(cloud)
    for node in workers_of(cloud):
        assert node["min_workers"] == 0
        assert 0 < node["max_workers"] <= cloud["max_workers"]
        assert is_spot(node)


def test_what_a_node_is_said_to_offer_is_what_its_machine_has(cloud):
    """Ray believes the file: a GPU too many is a task that waits for ever on a machine that is paid for."""
    for node in workers_of(cloud):
        cpus, gpus = MACHINES[machine_of(node)]
        assert node["resources"] == {"CPU": cpus, "GPU": gpus}
    assert MACHINES[machine_of(head_of(cloud))][1] == 0, "the head has no use for a GPU"


def test_what_a_stage_asks_for_is_offered_by_a_node(cloud):
    offered = [node["resources"] for node in workers_of(cloud)]
    assert any(each["GPU"] >= WANTED.gpus and each["CPU"] >= 1 for each in offered)


def test_disks_hold_what_lies_on_them(cloud):
    for node in (head_of(cloud), *workers_of(cloud)):
        config = node["node_config"]
        sizes = [disk["Ebs"]["VolumeSize"] for disk in config.get("BlockDeviceMappings", ())]
        sizes += [disk["initializeParams"]["diskSizeGb"] for disk in config.get("disks", ())]
        assert sizes and min(sizes) >= GIGABYTES


def test_images_have_a_python_that_the_project_runs_on(cloud):
    least = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    least = tuple(map(int, least.removeprefix(">=").split(".")))
    for node in (head_of(cloud), *workers_of(cloud)):
        image = str(node["node_config"].get("ImageId") or node["node_config"]["disks"])
        [python] = [release for piece, release in RELEASES.items() if piece in image]
        assert python >= least


def test_node_configs_say_what_ray_does_not_check(cloud):
    """A misspelt field of a cloud passes Ray's validation and fails when the first machine starts."""
    known = {
        "aws": ({"InstanceType", "ImageId", "IamInstanceProfile", "BlockDeviceMappings"}, {"InstanceMarketOptions"}),
        "gcp": ({"machineType", "disks"}, {"serviceAccounts", "scheduling"}),
    }
    needed, more = known[cloud["provider"]["type"]]
    for node in (head_of(cloud), *workers_of(cloud)):
        assert needed <= set(node["node_config"]) <= needed | more


def test_workers_of_google_have_an_account_and_end_when_they_are_taken():
    for node in workers_of(prepare_config(loaded("cluster/gcp.yaml"))):
        [account] = node["node_config"]["serviceAccounts"]
        assert account["email"].startswith("ray-autoscaler-sa-v1@"), "which Ray makes, with the right to use buckets"
        scheduling = node["node_config"]["scheduling"]
        assert scheduling["onHostMaintenance"] == "TERMINATE", "machines with a GPU do not move"
        assert scheduling["automaticRestart"] is False, "spot machines may not be restarted"


def test_every_node_installs_the_pinned_releases_and_not_rays_nightly_build(config):
    mounts = {Path(remote).name: local for remote, local in config["file_mounts"].items()}
    for name in ("pyproject.toml", "constraints.txt"):
        assert (ROOT / mounts[name]).is_file()
    for node in ("head_setup_commands", "worker_setup_commands"):
        commands = "\n".join(config[node] or config["setup_commands"])
        assert "--constraint constraints.txt" in commands
        assert "ray-wheels" not in commands


def starts(config: dict[str, Any]) -> list[str]:
    commands = chain(config["head_start_ray_commands"], config["worker_start_ray_commands"])
    return [command for command in commands if "ray start" in command]


def test_authentication_is_said_wherever_ray_starts(config):
    assert len(starts(config)) == 2
    assert all("RAY_AUTH_MODE=token" in command for command in starts(config))
    assert any(remote.endswith(".ray/auth_token") for remote in config["file_mounts"])


def test_the_dashboard_listens_on_the_loopback_interface_alone(config):
    [head] = [command for command in starts(config) if "--head" in command]
    assert "--dashboard-host=127.0.0.1" in head


def test_the_head_of_ones_own_machines_takes_no_tasks():
    [head] = [command for command in starts(loaded("cluster/on-prem.yaml")) if "--head" in command]
    assert "--num-cpus=0 --num-gpus=0" in head


def test_nodes_of_aws_are_told_the_region_of_their_bucket():
    config = loaded("cluster.yaml")
    assert all(f"AWS_REGION={config['provider']['region']} " in command for command in starts(config))


# Kubernetes

# Fields of a RayJob and what it holds, by the types of KubeRay's API ray.io/v1 (ray-operator/apis/ray/v1), release 1.5. An unknown
# field is pruned without a word, and its default holds.
FIELDS = {
    "spec": {
        "entrypoint",
        "submissionMode",
        "shutdownAfterJobFinishes",
        "ttlSecondsAfterFinished",
        "backoffLimit",
        "rayClusterSpec",
    },
    "rayClusterSpec": {
        "rayVersion",
        "authOptions",
        "enableInTreeAutoscaling",
        "autoscalerOptions",
        "headGroupSpec",
        "workerGroupSpecs",
    },
    "headGroupSpec": {"rayStartParams", "template"},
    "workerGroupSpecs": {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"},
    "template": {"spec"},
}


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    return loaded("cluster/kuberay.yaml")


@pytest.fixture(scope="module")
def groups(job) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def test_the_ray_job_is_one_and_has_no_field_that_is_not_known(job):
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert (
        re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", job["metadata"]["name"]) and len(job["metadata"]["name"]) <= 47
    )

    def check(value: Any, name: str) -> None:
        for each in value if isinstance(value, list) else [value]:
            if name in FIELDS:
                assert set(each) <= FIELDS[name], name
            for key, below in each.items() if isinstance(each, dict) else ():
                check(below, key) if key in FIELDS and not (name == "template" and key == "spec") else None

    check(job["spec"], "spec")
    assert set(FIELDS) - {"spec"} <= set(re.findall(r"\w+", str(job))), "all of these are looked at"


def test_parameters_of_ray_start_are_text(groups):
    """A number there is refused by the server."""
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_pods_ask_for_what_they_may_use_at_most_and_workers_have_a_gpu(groups):
    for head, group in zip((True, False), groups, strict=True):
        [container] = group["template"]["spec"]["containers"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert ("nvidia.com/gpu" in container["resources"]["limits"]) is not head
    assert int(groups[1]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"]) >= WANTED.gpus


def test_pods_of_kubernetes_are_alike_where_they_must_be(groups):
    """The same image has the same releases; the same account has the bucket."""
    specs = [group["template"]["spec"] for group in groups]
    containers = [spec["containers"][0] for spec in specs]
    for name in ("image", "workingDir", "env"):
        assert containers[0][name] == containers[1][name]
    assert specs[0]["serviceAccountName"] == specs[1]["serviceAccountName"]


def test_the_ray_job_has_a_head_without_tasks_workers_from_zero_and_a_token(job, groups):
    cluster = job["spec"]["rayClusterSpec"]
    head, workers = groups
    assert (head["rayStartParams"]["num-cpus"], head["rayStartParams"]["num-gpus"]) == ("0", "0")
    assert workers["replicas"] == workers["minReplicas"] == 0 < workers["maxReplicas"]
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["authOptions"] == {"mode": "token"}


def test_the_ray_job_says_the_release_of_ray_that_is_pinned(job):
    pinned = re.search(r"^ray(?:\[.*\])?==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned and job["spec"]["rayClusterSpec"]["rayVersion"] == pinned[1]


def test_the_ray_job_runs_a_command_that_there_is(job, groups):
    python, m, module, *arguments = job["spec"]["entrypoint"].split()
    assert (python, m, module) == ("python", "-m", "jobs.directions")
    given = get_command(app(directions)).make_context("directions", arguments).params
    mounted = groups[0]["template"]["spec"]["containers"][0]["volumeMounts"][0]["mountPath"]
    assert str(given["run"]) == mounted


# Slurm


@pytest.fixture(scope="module")
def script() -> str:
    return (ROOT / "cluster" / "slurm.sh").read_text()


def test_the_script_for_slurm_is_bash_without_a_fault():
    path = ROOT / "cluster" / "slurm.sh"
    subprocess.run(["bash", "-n", path], check=True)
    found = subprocess.run(
        [Path(sys.executable).parent / "shellcheck", "--enable=all", "--exclude=SC2250,SC2310,SC2312,SC2154", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def test_the_script_asks_slurm_for_what_a_stage_asks_for(script):
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)", script, re.MULTILINE))
    assert int(asked["gpus-per-node"]) >= WANTED.gpus
    assert int(asked["ntasks-per-node"]) == 1, "a Ray a node"
    assert asked["signal"].startswith("B:TERM@"), "the script has time to end what it started"
    assert script.index("#SBATCH") < script.index("set -euo pipefail"), (
        "behind the first command they count for nothing"
    )


def test_each_ray_has_the_cores_of_its_node_and_the_driver_ends_before_it(script):
    """`srun` alone would give a step one core, on which Ray would start as many workers as the allocation has."""
    assert "export SRUN_CPUS_PER_TASK=$cpus" in script[: script.index("ray start --head")]
    assert script.index('kill "$driver"') < script.index('wait "$driver"') < script.index('kill "${started[@]}"')
    assert 'started+=("$driver")' not in script


SHIMS = {
    "scontrol": 'echo node-1; [[ "$3" == *2* ]] && echo node-2; true',
    "srun": """
while [[ ${1:-} == --* ]]; do shift; done
[[ $1 == hostname ]] && { echo 127.0.0.1; exit; }
[[ $1 == ray ]] && { echo "${SRUN_CPUS_PER_TASK:-1}" "$@" >> "$CALLS"; exec "$@"; }
exec "$@"
""",
}


@pytest.mark.slow
def test_the_script_runs_a_job_on_a_ray_of_its_own_and_leaves_nothing(tmp_path):
    """`srun` and `scontrol` are stood in for: the first node is this machine, and everything else is real."""
    import psutil

    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, text in SHIMS.items():
        (bin_ / name).write_text(f"#!/bin/bash\n{text}\n")
        (bin_ / name).chmod(0o755)
    job_id = str(os.getpid())
    environment = {
        **os.environ,
        "PATH": f"{bin_}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SLURM_JOB_ID": job_id,
        "SLURM_JOB_NODELIST": "node-1",
        "SLURM_CPUS_PER_TASK": "2",
        "SLURM_SUBMIT_DIR": str(ROOT),
        "PYTHONPATH": str(ROOT),
        "CALLS": str(tmp_path / "calls"),
    }
    environment.pop("RAY_AUTH_TOKEN", None)
    (tmp_path / "gate").touch()
    command = [
        "bash",
        ROOT / "cluster" / "slurm.sh",
        "-m",
        "tests.jobs.planted_job",
        tmp_path / "root",
        tmp_path / "gate",
    ]
    done = subprocess.run(
        [*map(str, command), "--workers", "1"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.read_text() for path in (tmp_path / "root").glob("total-*/*/total.txt")] == ["506\n"]
    [head] = (tmp_path / "calls").read_text().splitlines()
    assert head.startswith("2 ray start --head") and "--num-cpus=2" in head
    assert "--include-dashboard=false" in head and f"--temp-dir=/tmp/ray-{job_id}" in head
    assert not Path(f"/tmp/ray-{job_id}").exists()
    left = [each for each in psutil.process_iter(["cmdline"]) if f"/tmp/ray-{job_id}" in str(each.info["cmdline"])]
    assert not left


# What the documents say


def test_the_commands_in_the_files_are_ones_that_there_are():
    submit = get_command(application()).commands["submit"]  # type: ignore[attr-defined]
    known = {name for each in submit.params for name in each.opts}
    for file in (*LAUNCHED, "cluster/kuberay.yaml"):
        for line in (ROOT / file).read_text().splitlines():
            if "python -m jobs.submit" in line:
                assert set(re.findall(r" (--[\w-]+)", line)) <= known, line


def test_what_the_document_says_to_type_is_there():
    """Every file that it names exists, and every option of `jobs.submit` that it types is one."""
    text = (ROOT / "docs" / "cluster.md").read_text()
    for name in re.findall(r"`((?:cluster/)?[\w-]+\.(?:yaml|sh))`", text):
        assert (ROOT / name).is_file(), name
    commands = get_command(application()).commands  # type: ignore[attr-defined]
    typed = re.findall(r"^python -m jobs\.submit (.*?)(?:\n|$)", text, re.MULTILINE)
    assert len(typed) >= 7
    for line in typed:
        name = line.split()[0] if line.split()[0] in commands else "submit"
        own = {option for each in commands[name].params for option in (*each.opts, *each.secondary_opts)}
        assert set(re.findall(r" (--[\w-]+)", f" {line}")) - {"--annotator"} <= own, line


def test_the_document_and_the_files_have_one_region_profile_and_image():
    text = (ROOT / "docs" / "cluster.md").read_text()
    aws, google, kubernetes = (loaded(name) for name in ("cluster.yaml", "cluster/gcp.yaml", "cluster/kuberay.yaml"))
    assert aws["provider"]["region"] in text and google["provider"]["region"] in text
    for node in aws["available_node_types"].values():
        assert f"`{node['node_config']['IamInstanceProfile']['Name']}`" in text
        assert node["node_config"]["InstanceType"] in text
    assert f"rayproject/ray:{kubernetes['spec']['rayClusterSpec']['rayVersion']}-py312-gpu" in text
    code = kubernetes["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["workingDir"]
    assert f"WORKDIR {code}" in text
    assert google["provider"]["project_id"] == "PROJECT" and text.count("PROJECT") >= 1
    assert "s3://BUCKET/" in kubernetes["spec"]["entrypoint"] and "s3:::BUCKET/*" in text


def test_spot_machines_have_the_role_that_the_head_may_not_make():
    spot = loaded("cluster.yaml")["available_node_types"]["gpu"]["node_config"]["InstanceMarketOptions"]
    assert spot == {"MarketType": "spot"}
    text = (ROOT / "docs" / "cluster.md").read_text()
    assert "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com" in text


def test_the_policy_in_the_document_lets_a_machine_do_what_a_store_does():
    import json

    [policy] = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "cluster.md").read_text(), re.DOTALL)
    allowed = {action for each in json.loads(policy)["Statement"] for action in each["Action"]}
    assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:AbortMultipartUpload"} <= allowed
    assert "s3:*" not in allowed and "*" not in allowed
