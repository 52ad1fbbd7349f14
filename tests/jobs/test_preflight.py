"""What a job prints of a preflight, and when it ends there."""

import json

import pytest
import torch
import typer

from jobs import preflight
from jobs.command_line import run_job
from jobs.where import Where, check_where
from pipeline.engine.checks import Check
from pipeline.errors import UserError
from schemas.run_summary import SUMMARY_FILE
from tests.jobs.test_account import Fixed
from tests.pipeline.planted import Numbers

GOOD = Check("clocks", "ok", "within 1 s of the driver's")
BAD = Check("store", "failed", "a: reads nothing", "one store for all machines", "Give a root that all share.")
NONE = Check("GPU memory", "skipped", "no machine has a GPU")


def looked(monkeypatch, *made: Check) -> None:
    monkeypatch.setattr(preflight, "preflight", lambda *_: iter(made))
    preflight.look(None, [], Where("s3://b/r", address="auto", preflight=True))  # type: ignore[arg-type]


def test_a_cluster_that_is_ready_is_told_in_a_line_a_check(monkeypatch, capsys):
    looked(monkeypatch, GOOD, NONE)
    assert capsys.readouterr().out.splitlines() == [
        "ok      clocks          within 1 s of the driver's",
        "skipped GPU memory      no machine has a GPU",
    ]


def test_one_fault_ends_the_job_after_all_was_said(monkeypatch, capsys):
    with pytest.raises(UserError, match=r"^The cluster is not ready: store\. Nothing was begun\.$"):
        looked(monkeypatch, BAD, GOOD)
    printed = capsys.readouterr()
    assert "ok      clocks" in printed.out
    assert printed.err.splitlines() == [
        "failed  store           a: reads nothing",
        "        expected        one store for all machines",
        "        to do           Give a root that all share.",
    ]


@pytest.mark.parametrize("plan", [False, True])
def test_machines_read_of_it_once_and_a_run_that_it_ended_was_refused(plan, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(preflight, "preflight", lambda *_: iter([BAD]))
    where = Where(str(tmp_path), address="10.0.0.1:6379", plan=plan, json=True, preflight=True)
    with pytest.raises(typer.Exit) as ended:
        run_job(lambda: Fixed((Numbers(2),)), where, lambda store, goals: {})
    assert ended.value.exit_code == 2
    said = json.loads(capsys.readouterr().out)
    assert said["error"] == "The cluster is not ready: store. Nothing was begun."
    if not plan:
        left = json.loads((tmp_path / SUMMARY_FILE).read_text())
        assert left == said and (said["outcome"], said["exit_code"]) == ("refused", 2)


def test_the_packages_that_are_compared_are_those_that_the_project_needs():
    names = preflight.packages()
    assert {"torch", "ray", "diffusers", "numpy", "obstore", "timm", "onnxruntime"} <= set(names)
    assert not {"pytest", "mypy", "hspace-directions"} & set(names)
    assert all(name.replace("-", "").replace("_", "").isalnum() for name in names)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_no_batch_is_made(monkeypatch):
    assert preflight.attempt(None) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(("address", "workers"), [(None, None), ("auto", 0), (None, 0)])
def test_a_preflight_needs_a_cluster(address, workers, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(UserError):
        check_where(Where("/data/run", workers, address, preflight=True))


def test_a_submitted_job_has_a_cluster_without_saying_so(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    check_where(Where("/data/run", preflight=True))
