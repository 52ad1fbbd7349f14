"""However a run ends, its root says how: run_summary.json, what --json prints, and a log of events."""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from jobs.command_line import run_job
from jobs.where import Where
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from schemas.events import EVENTS, KINDS
from schemas.run_summary import SUMMARY_FILE, RunSummary
from tests.jobs.test_faults import finish, records, start
from tests.pipeline.planted import Failing, Numbers, Squares, Total, wait_for


@dataclass(frozen=True)
class Fixed:
    """Goals that depend on nothing."""

    goals: tuple[Stage, ...]
    first: tuple[()] = ()

    def fitted(self, store: Store) -> "Fixed":
        return self


@dataclass(frozen=True)
class Signalled(Numbers):
    """Numbers that get a signal on the way, as a whole job does."""

    number: int = 0

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        if part == 2:
            os.kill(os.getpid(), self.number)
        super().process(part, store, loaded, out)


class Called:
    """A job of some goals, as its command line calls it: its exit code, and what it has left and printed."""

    def __init__(self, root: Path, capsys) -> None:
        self.root, self.capsys = root, capsys

    def __call__(self, *goals: Stage, hand_over=lambda store, goals: {"answer": 42}, describe=None) -> int:
        where = Where(str(self.root), workers=0, json=True)
        try:
            run_job(describe or (lambda: Fixed(goals)), where, hand_over)
            return 0
        except typer.Exit as end:
            return end.exit_code
        finally:
            self.printed, self.complaints = self.capsys.readouterr()

    @property
    def summary(self) -> dict:
        return json.loads((self.root / SUMMARY_FILE).read_text())

    @property
    def events(self) -> list[dict]:
        return [json.loads(line) for line in (self.root / self.summary["events"]).read_text().splitlines()]

    def of(self, event: str) -> list[dict]:
        return [each for each in self.events if each["event"] == event]


@pytest.fixture
def job(tmp_path, capsys) -> Called:
    return Called(tmp_path / "root", capsys)


def test_a_run_that_is_done_leaves_what_it_prints_for_machines(job):
    assert job(Total(Squares(Numbers(parts=4)))) == 0
    told = job.summary
    assert json.loads(job.printed) == told and RunSummary.model_validate(told)
    assert (told["outcome"], told["exit_code"], told["error"], told["answer"]) == ("done", 0, None, 42)
    assert (told["made"], told["there"], told["failed"], told["not_started"], told["retries"]) == (9, 0, 0, 0, 0)
    by_stage = {each["title"]: each for each in told["stages"]}
    assert {name: (each["parts"], each["made"]) for name, each in by_stage.items()} == {
        "numbers": (4, 4),
        "squares": (4, 4),
        "total": (1, 1),
    }
    files = [each for part in records(job.root).values() for each in part.values()]
    assert told["bytes"] == sum(each["bytes"] for each in files)
    assert told["peak_memory"] > 1_000_000 and told["seconds"] > 0 and by_stage["numbers"]["seconds"] > 0


def test_the_command_is_told_as_it_was_typed(job, monkeypatch):
    typed = ["python", "-m", "jobs.annotate", "my images", "--root", "runs/x"]
    monkeypatch.setattr("sys.orig_argv", typed)
    job(Numbers(parts=1))
    assert job.summary["command"] == typed
    assert job.of("begun")[0]["message"] == "python -m jobs.annotate 'my images' --root runs/x"


def test_no_secret_of_a_command_is_told(job, monkeypatch, capsys):
    monkeypatch.setattr("sys.orig_argv", ["python", "--root", "s3://key:SECRET@bucket/x"])
    with pytest.raises(typer.Exit):
        run_job(lambda: Fixed(()), Where("s3://key:SECRET@bucket/x", workers=0, json=True), lambda store, goals: {})
    printed, complaints = capsys.readouterr()
    assert json.loads(printed)["outcome"] == "refused" and "SECRET" not in printed + complaints


def test_the_log_says_what_happened_in_order_and_by_its_schema(job):
    job(Total(Squares(Numbers(parts=2))))
    kinds = [each["event"] for each in job.events]
    assert kinds == ["begun", *["planned"] * 3, *["made"] * 5, "ended"]
    required = {field.name for field in EVENTS if not field.nullable}
    for each in job.events:
        assert required <= each.keys() <= set(EVENTS.names) and each["event"] in KINDS
    assert [each["time"] for each in job.events] == sorted(each["time"] for each in job.events)
    made = job.of("made")[0]
    assert (made["title"], made["part"]) == ("numbers", 0) and made["worker"].endswith(f":{os.getpid()}")
    assert made["seconds"] == pytest.approx(
        sum(made[f"{phase}_seconds"] for phase in ("load", "read", "compute", "write", "commit"))
    )
    assert (job.events[-1]["exit_code"], job.events[-1]["message"], job.events[-1]["parts"]) == (0, "done", 5)


def test_a_run_again_says_what_was_there_and_keeps_the_log_of_the_first(job):
    job(Squares(Numbers(parts=3)))
    first = job.summary["events"]
    assert job(Total(Squares(Numbers(parts=3)))) == 0
    assert (job.summary["there"], job.summary["made"]) == (6, 1)
    assert job.summary["events"] != first and (job.root / first).exists()


def test_a_run_that_had_nothing_to_make_says_all_that_was_there(job):
    goal = Total(Squares(Numbers(parts=3)))
    job(goal)
    job(goal)
    told = job.summary
    assert (told["outcome"], told["there"], told["made"], told["events"]) == ("done", 7, 0, None)
    assert {each["title"]: (each["parts"], each["there"]) for each in told["stages"]} == {
        "numbers": (3, 3),
        "squares": (3, 3),
        "total": (1, 1),
    }


def test_a_run_with_parts_that_fail_says_which_and_why_and_how_many_were_not_begun(job):
    assert job(Total(Squares(Failing(parts=4, failing=(1, 3))))) == 1
    told = job.summary
    assert (told["outcome"], told["exit_code"]) == ("failed", 1) and "failing part 1: ZeroDivisionError" in told[
        "error"
    ]
    assert (told["made"], told["failed"], told["not_started"]) == (4, 2, 3)
    [one, three] = told["failures"]
    assert (one["parts"], three["parts"], one["message"]) == ([1], [3], "ZeroDivisionError: number 1")
    assert "Traceback" in one["traceback"] and one["worker"].endswith(f":{os.getpid()}")
    assert [(each["part"], each["message"]) for each in job.of("failed")] == [
        (1, "ZeroDivisionError: number 1"),
        (3, "ZeroDivisionError: number 3"),
    ]


def test_what_fails_alike_is_told_once_with_all_its_parts(job):
    @dataclass(frozen=True)
    class Alike(Numbers):
        def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
            raise UserError("The disk of this machine is a sieve.")

    assert job(Alike(parts=5)) == 2
    [failure] = job.summary["failures"]
    assert failure["parts"] == [0, 1, 2, 3, 4] and failure["traceback"] == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_says_so(number, code, job):
    assert job(Signalled(parts=4, number=int(number))) == code
    told = job.summary
    assert (told["outcome"], told["exit_code"], told["made"], told["not_started"]) == ("stopped", code, 2, 2)
    assert told["error"].startswith("Stopped") and json.loads(job.printed) == told
    assert "2 finished parts are kept" in job.complaints and "Traceback" not in job.complaints
    assert job.events[-1]["exit_code"] == code
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "as it was before"


def refuse() -> Fixed:
    raise UserError("No such thing.")


def test_a_refused_run_says_so_in_a_root_that_is_there_and_makes_none(job):
    assert job(describe=refuse) == 2
    told = json.loads(job.printed)
    assert (told["outcome"], told["exit_code"], told["error"]) == ("refused", 2, "No such thing.")
    assert not job.root.exists()
    assert job(Numbers(parts=1)) == 0 and job(describe=refuse) == 2
    assert job.summary["outcome"] == "refused" and job.summary == json.loads(job.printed)


def test_a_run_whose_results_cannot_be_read_is_not_done(job):
    def fail(store, goals):
        raise KeyError("recommended")

    with pytest.raises(KeyError):
        job(Numbers(parts=1), hand_over=fail)
    assert (job.summary["outcome"], job.summary["exit_code"]) == ("failed", 1)
    assert job.summary["error"] == "KeyError: 'recommended'" and job.summary["made"] == 1


def test_a_root_that_takes_no_account_changes_nothing_of_how_the_run_ends(job, monkeypatch):
    def full(self, name: str, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "leave", full)
    assert job(Numbers(parts=2)) == 0
    assert "could not be left" in job.complaints and json.loads(job.printed)["made"] == 2


# The driver dies, or nobody reads what it prints


def test_the_log_of_a_killed_run_goes_almost_to_its_end(tmp_path):
    root, gate = tmp_path / "root", tmp_path / "gate"
    process = start("tests.jobs.planted_job", root, gate, "--held", 5)

    def made() -> list[int]:
        lines = [line for log in root.glob("events-*.jsonl") for line in log.read_text().splitlines()]
        return [each["part"] for each in map(json.loads, lines) if each["event"] == "made" and each["title"] == "gated"]

    try:
        wait_for(lambda: len(made()) >= 5 or process.poll() is not None, "the log of five parts")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    assert made() == [0, 1, 2, 3, 4] and not (root / SUMMARY_FILE).exists()


@pytest.mark.slow
def test_a_run_on_ray_that_gets_the_signal_to_end_leaves_its_account(tmp_path):
    """As `ray job stop` sends it."""
    root, gate = tmp_path / "root", tmp_path / "gate"
    process = start("tests.jobs.planted_job", root, gate, "--held", 3, "--workers", 1)
    wait_for(lambda: Path(f"{gate}.reached.3").exists() or process.poll() is not None, "the gate")
    process.terminate()
    _, complaints = process.communicate(timeout=120)
    told = json.loads((root / SUMMARY_FILE).read_text())
    assert process.returncode == told["exit_code"] == 143, complaints
    assert (told["outcome"], told["made"]) == ("stopped", 3) and "Traceback" not in complaints
    assert json.loads((root / told["events"]).read_text().splitlines()[-1])["event"] == "ended"


def test_a_run_goes_on_when_nobody_reads_any_more_what_it_prints(tmp_path):
    """As where the terminal that follows a job on a cluster is closed."""
    root, gate = tmp_path / "root", tmp_path / "gate"
    process = start("tests.jobs.planted_job", root, gate, "--held", 3)
    wait_for(lambda: Path(f"{gate}.reached.3").exists() or process.poll() is not None, "the gate")
    process.stdout.close()
    process.stderr.close()
    gate.touch()
    assert process.wait(timeout=120) == 0
    assert json.loads((root / SUMMARY_FILE).read_text())["made"] == 25


def test_the_command_is_in_the_account(tmp_path):
    (tmp_path / "gate").touch()
    finish(start("tests.jobs.planted_job", tmp_path / "root", tmp_path / "gate"))
    told = json.loads((tmp_path / "root" / SUMMARY_FILE).read_text())
    typed = ["-m", "tests.jobs.planted_job", str(tmp_path / "root"), str(tmp_path / "gate")]
    assert told["command"][1:] == typed and told["workers"] == 0
