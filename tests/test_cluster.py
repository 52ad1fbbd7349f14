"""The files of clusters, without a cloud: Ray's own validation, and what it does not look at."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import chain
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator
from ray.autoscaler._private.util import prepare_config, validate_config
from referencing import Registry, Resource
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
        assert "--constraint constraints.txt '.[pipeline]'" in commands
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

# Whose types pods are held against: the release that KubeRay's reference refers to. A field of a later one might be dropped.
KUBERNETES = "1.28.0"


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    return loaded("cluster/kuberay.yaml")


@pytest.fixture(scope="module")
def groups(job) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


@pytest.fixture(scope="module")
def faults() -> Callable[[Any], list[str]]:
    """What a cluster with KubeRay would refuse of a RayJob, or drop without a word, and where."""
    schema = json.loads((ROOT / "tests" / "rayjob.schema.json").read_text())
    published = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{KUBERNETES}-local-strict"
    types = json.loads((published / "_definitions.json").read_text())
    types["$defs"]["io.k8s.apimachinery.pkg.api.resource.Quantity"] = schema["$defs"]["quantity"]  # theirs is any text
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, registry=Resource.from_contents(types) @ Registry())
    return lambda job: [f"{error.json_path}: {error.message}" for error in validator.iter_errors(job)]


def test_the_ray_job_is_one_that_kuberay_takes(job, faults):
    assert faults(job) == []


def test_the_name_of_the_ray_job_leaves_room_for_what_kuberay_appends(job):
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", job["metadata"]["name"])
    assert len(job["metadata"]["name"]) <= 47


CLUSTER = ("spec", "rayClusterSpec")
WORKERS = (*CLUSTER, "workerGroupSpecs", 0)
CONTAINER = (*WORKERS, "template", "spec", "containers", 0)


def changed(job: dict[str, Any], path: tuple[str | int, ...], change: Callable[[Any], object]) -> dict[str, Any]:
    """A copy, in which `change` has been at what lies at `path`."""
    copy = json.loads(json.dumps(job))  # of its own where the file has an alias
    change(reduce(lambda value, key: value[key], path, copy))
    return copy


@pytest.mark.parametrize(
    ("path", "key", "misspelt"),
    [
        ((), "spec", "Spec"),
        (("spec",), "ttlSecondsAfterFinished", "ttlSecondsAfterFinish"),
        (CLUSTER, "enableInTreeAutoscaling", "enableInTreeAutoScaling"),
        ((*CLUSTER, "authOptions"), "mode", "Mode"),
        ((*CLUSTER, "autoscalerOptions"), "idleTimeoutSeconds", "idleTimeoutSecs"),
        ((*CLUSTER, "headGroupSpec"), "rayStartParams", "rayStartParameters"),
        (WORKERS, "replicas", "replica"),
        ((*WORKERS, "template", "spec"), "tolerations", "toleration"),
        (CONTAINER, "resources", "ressources"),
        ((*CONTAINER, "resources"), "limits", "limit"),
    ],
)
def test_a_misspelt_key_of_a_ray_job_is_named(job, faults, path, key, misspelt):
    wrong = changed(job, path, lambda at: at.update({misspelt: at.pop(key)}))
    where = json_path(path)
    assert f"{where}: Additional properties are not allowed ({misspelt!r} was unexpected)" in faults(wrong)


def json_path(path: tuple[str | int, ...]) -> str:
    return "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


def test_there_is_no_place_in_the_ray_job_where_a_key_may_be_misspelt(job, faults):
    """But where keys are free: parameters of `ray start`, and resources that a plugin offers."""

    def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
        if isinstance(value, dict):
            yield path
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(below, dict | list) and key not in ("rayStartParams", "requests", "limits"):
                yield from places(below, (*path, key))

    found = list(places(job))
    assert {(), CLUSTER, WORKERS, CONTAINER} < set(found)
    for path in found:
        wrong = changed(job, path, lambda at: at.update(unheardOf="1"))
        assert any(fault.startswith(f"{json_path(path)}: ") for fault in faults(wrong)), path


@pytest.mark.parametrize(
    ("path", "key", "value", "fault"),
    [
        (("spec",), "entrypoint", 3, "3 is not of type 'string'"),
        (("spec",), "backoffLimit", "3", "'3' is not of type 'integer'"),
        (("spec",), "submissionMode", "K8SJobMode", "'K8SJobMode' is not one of "),
        (CLUSTER, "rayVersion", 2.6, "2.6 is not of type 'string'"),
        ((*CLUSTER, "headGroupSpec", "rayStartParams"), "num-cpus", 0, "0 is not of type 'string'"),
        ((*CLUSTER, "authOptions"), "mode", "tokens", "'tokens' is not one of "),
        (WORKERS, "maxReplicas", 2**31, "2147483648 is greater than the maximum"),
        ((*CONTAINER, "env", 1), "value", 60, "60 is not of type 'string'"),
        ((*CONTAINER, "resources", "limits"), "memory", "12GB", "'12GB' does not match "),
    ],
)
def test_a_value_of_a_wrong_kind_in_a_ray_job_is_named(job, faults, path, key, value, fault):
    wrong = changed(job, path, lambda at: at.update({key: value}))
    [found] = faults(wrong)
    where = json_path((*path, key)) if key.isalnum() else f"{json_path(path)}['{key}']"
    assert found.startswith(f"{where}: {fault}")


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ((), "kind"),
        (("metadata",), "name"),
        (CLUSTER, "headGroupSpec"),
        ((*CLUSTER, "headGroupSpec"), "template"),
        (WORKERS, "groupName"),
        (WORKERS, "maxReplicas"),
        ((*WORKERS, "template", "spec"), "containers"),
        (CONTAINER, "name"),
        ((*CLUSTER, "headGroupSpec", "template", "spec", "containers", 0, "ports", 0), "containerPort"),
    ],
)
def test_what_is_missing_in_a_ray_job_is_named(job, faults, path, key):
    assert faults(changed(job, path, lambda at: at.pop(key))) == [f"{json_path(path)}: {key!r} is a required property"]


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
    [policy] = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "cluster.md").read_text(), re.DOTALL)
    allowed = {action for each in json.loads(policy)["Statement"] for action in each["Action"]}
    assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:AbortMultipartUpload"} <= allowed
    assert "s3:*" not in allowed and "*" not in allowed
