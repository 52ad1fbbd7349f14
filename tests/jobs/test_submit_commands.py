"""`python -m jobs.submit` as a person meets it, with a job server that is stood in for."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from jobs import submission, submit
from jobs.packing import Package
from jobs.submit import application, arguments
from pipeline.engine.submit import Submitted
from pipeline.errors import UserError

RUN = "--model owner/name --root s3://bucket/run"


@dataclass
class Planted:
    """A job server: what it was sent, and how what it runs ends."""

    address: str = "http://head:8265"
    status: str = "SUCCEEDED"
    exit_code: int | None = 0
    interrupts: bool = False
    printed: str = ""  # at the end of its log
    sent: list[tuple[str, str, dict, dict]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def __call__(self, address: str) -> "Planted":
        return self

    def submit(self, command: str, folder: Path, name: str, variables: dict, metadata: dict) -> str:
        assert folder.is_dir()
        self.sent.append((command, name, dict(variables), dict(metadata)))
        return name

    def follow(self, name: str, show: Callable[[str], None]) -> Submitted:
        show("what the job prints\n")
        if self.interrupts:
            raise KeyboardInterrupt
        return self.job(name)

    def job(self, name: str) -> Submitted:
        metadata = self.sent[-1][3] if self.sent else {}
        return Submitted(name, self.status, "Why it ended", "python", self.exit_code, metadata)

    def jobs(self) -> list[Submitted]:
        return [self.job(name) for _, name, _, _ in self.sent]

    def logs(self, name: str) -> str:
        return f"all that the job printed\n{self.printed}"

    def stop(self, name: str) -> bool:
        self.stopped.append(name)
        return self.status == "RUNNING"


@pytest.fixture
def server(monkeypatch, tmp_path) -> Planted:
    planted = Planted()
    monkeypatch.setattr(submit, "JobServer", planted)
    monkeypatch.setattr(
        submit.console, "stderr", False
    )  # whatever a job of this process has printed for machines before
    monkeypatch.setattr(Package, "add_code", lambda self, root: None)
    monkeypatch.chdir(tmp_path)
    return planted


def typed(line: str) -> Result:
    return CliRunner().invoke(application(), arguments(shlex.split(line)), catch_exceptions=False)


def test_what_is_typed_is_sent_and_followed_to_its_end(server):
    done = typed(RUN)
    assert done.exit_code == 0
    [(command, name, variables, metadata)] = server.sent
    assert command == "python -m jobs.directions run.toml --root s3://bucket/run --address auto --preflight"
    assert variables == {} and metadata["root"] == "s3://bucket/run"
    assert f"Submitted: {name} to http://head:8265" in done.stdout
    assert done.stdout.endswith("what the job prints\n")


@pytest.mark.parametrize(
    ("status", "exit_code", "ends"),
    [("SUCCEEDED", 0, 0), ("FAILED", 2, 2), ("FAILED", 1, 1), ("FAILED", None, 1), ("STOPPED", None, 130)],
)
def test_the_command_ends_as_the_job_does(server, status, exit_code, ends):
    server.status, server.exit_code = status, exit_code
    done = typed(RUN)
    assert done.exit_code == ends
    assert ("Why it ended" in done.stderr) == ("jobs.submit resubmit" in done.stderr) == (ends != 0)


def test_ctrl_c_says_how_to_follow_and_how_to_stop(server):
    server.interrupts = True
    done = typed(RUN)
    name = server.sent[0][1]
    assert done.exit_code == 130 and server.stopped == []
    assert f"To follow it: python -m jobs.submit logs {name} --address http://head:8265" in done.stderr
    assert f"To stop it: python -m jobs.submit stop {name} --address http://head:8265" in done.stderr


def test_no_wait_ends_at_once(server):
    done = typed(f"{RUN} --no-wait")
    assert done.exit_code == 0 and "what the job prints" not in done.stdout
    assert f"To follow it: python -m jobs.submit logs {server.sent[0][1]}" in done.stdout


def test_options_of_the_command_and_of_the_job_stand_in_any_order(server):
    typed("--skip-preflight --samples 3 --address http://head:8265 --model owner/name --root s3://b/r --workers 2")
    assert server.sent[0][0] == "python -m jobs.directions run.toml --workers=2 --root s3://b/r --address auto"


def test_a_job_is_told_to_repair_and_to_speak_to_machines_as_it_was_asked(server):
    typed(f"{RUN} --repair --json --skip-preflight")
    assert server.sent[0][0] == (
        "python -m jobs.directions run.toml --repair --json --root s3://bucket/run --address auto"
    )


def test_a_job_that_was_asked_for_json_has_that_alone_on_standard_output(server):
    server.printed = '{"ended": "done"}\nand a word of Ray\n'
    done = typed(f"{RUN} --json")
    assert json.loads(done.stdout) == {"ended": "done"}
    assert "Submitted: " in done.stderr and "what the job prints" in done.stderr

    server.printed = '{"of": "yesterday"'
    assert typed(f"{RUN} --json").stdout == "", "half an object is none"


@pytest.mark.parametrize(
    "twice", ["--root s3://bucket/other", "--samples 3 --samples 4", "--job carriage --job annotate"]
)
def test_what_is_given_twice_is_refused(server, twice):
    done = typed(f"{RUN} {twice}")
    assert done.exit_code == 2 and "given twice" in done.stderr and server.sent == []


def test_a_variable_is_sent_by_its_name_and_a_value_is_never_printed(server):
    done = typed(f"{RUN} --env TOKEN=secret")
    assert done.exit_code == 2 and "give the name alone" in done.stderr and server.sent == []
    assert "secret" not in done.stderr + done.stdout


def test_a_plan_prints_what_would_be_sent_and_the_jobs_own_plan_and_sends_nothing(server, monkeypatch):
    planned = []
    monkeypatch.setattr(submit, "own_plan", lambda request: planned.append(request) or 0)
    done = typed(f"{RUN} --plan --time")
    assert done.exit_code == 0 and server.sent == []
    assert "Command: python -m jobs.directions run.toml" in done.stdout
    assert planned[0].rest == ("--model", "owner/name", "--time")
    assert typed(f"{RUN} --time").exit_code == 2, "as the job itself would say"


def test_the_jobs_own_plan_is_made_where_one_stands(monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(
        submission.subprocess, "run", lambda command, cwd, check: made.append((command[1:], cwd)) or Done
    )
    request = submission.Request("celebahq", ("--annotator", "pixels"), "s3://b/r", folder=str(tmp_path))
    assert submission.own_plan(request) == 3
    line = "-m jobs.celebahq whole --annotator pixels --root s3://b/r --plan"
    assert made == [(line.split(), str(tmp_path))]


class Done:
    """How a process ended."""

    returncode = 3


def test_the_same_is_submitted_again_from_what_the_cluster_knows(server, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("SETTING", "1")
    typed(f"{RUN} --env SETTING --skip-preflight --no-wait")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    monkeypatch.setenv("SETTING", "2")
    again = typed(f"resubmit {server.sent[0][1]} --no-wait")
    assert again.exit_code == 0, again.stderr
    first, second = server.sent
    assert second[0] == first[0] and second[1] != first[1] and second[3] == first[3]
    assert (first[2], second[2]) == ({"SETTING": "1"}, {"SETTING": "2"})
    assert "1" not in json.loads(first[3]["request"])["env"], "its name is kept, and its value is not"


def test_a_job_that_runs_is_not_submitted_again(server):
    typed(f"{RUN} --no-wait")
    server.status = "RUNNING"
    again = typed("resubmit a")
    assert again.exit_code == 2 and "a is RUNNING" in again.stderr and len(server.sent) == 1


def test_a_job_of_somebody_elses_is_not_submitted_again(server):
    again = typed("resubmit other")
    assert again.exit_code == 2 and "was not submitted by this command" in again.stderr


def test_jobs_are_listed_and_one_is_told_with_how_it_ended(server):
    assert typed("status").stdout == "No job was submitted.\n"
    typed(f"{RUN} --no-wait")
    name = server.sent[0][1]
    assert typed("status").stdout == f"{name}  SUCCEEDED  s3://bucket/run\n"
    assert typed(f"status {name}").stdout == f"{name}  SUCCEEDED  s3://bucket/run\nWhy it ended\n"


def test_logs_are_printed_and_a_job_is_stopped(server):
    assert typed("logs a --no-wait").stdout == "all that the job printed\n"
    assert typed("logs a").stdout == "what the job prints\n"
    assert typed("stop a").stdout == "a had ended already.\n"
    server.status = "RUNNING"
    assert typed("stop a").stdout == "Stopped: a\n" and server.stopped == ["a", "a"]


def test_what_cannot_be_is_refused_in_the_words_of_the_command_line(server, monkeypatch):
    done = typed("--model owner/name --root runs/x")
    assert done.exit_code == 2 and done.stderr.startswith("Error: --root is runs/x, which each machine")
    done = typed(f"{RUN} --samples some")
    assert done.exit_code == 2 and "--samples is 'some': expected a whole number" in done.stderr

    def absent(address: str) -> None:
        raise UserError(f"No job server answers at {address}.\nCheck `address`.")

    monkeypatch.setattr(submit, "JobServer", absent)
    done = typed(RUN)
    assert done.exit_code == 2 and "No job server answers at http://localhost:8265" in done.stderr
    assert "Check --address." in done.stderr and server.sent == []
