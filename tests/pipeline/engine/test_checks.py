"""What a preflight says of what it found: machines are planted, each with one fault, and the check names it."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.engine import checks
from pipeline.engine.checks import GPUTrial, Machine, Seen
from pipeline.engine.plan import StagePlan
from pipeline.engine.stage import Stage

DRIVER = Seen("head", "3.12.3", {"ray": "2.60.0", "timm": None}, 1000.0, 10**11, (), True)


def machine(host: str = "worker", kind: checks.Kind = (("CPU", 4.0), ("GPU", 1.0)), **more: Any) -> Machine:
    return Machine(host, kind, replace(DRIVER, host=host, **more), asked=999.0, answered=1001.0)


@dataclass(frozen=True)
class Large(Stage):
    """A stage whose parts have a gigabyte."""

    n: int = 3

    @property
    def n_parts(self) -> int:
        return self.n

    def part_bytes(self) -> int:
        return 10**9

    def part_work(self) -> int:
        return 3600


PLANS = [StagePlan(Large(), (0, 1, 2), 0)]


def store(free: int | None) -> Any:
    return SimpleNamespace(root="s3://bucket/run", free_bytes=lambda: free)


def failed(check: checks.Check, *said: str) -> None:
    assert check.state == "failed"
    assert check.expected and check.to_do
    for each in said:
        assert each in check.found


def test_machines_that_are_as_they_should_be_pass():
    alike = [machine("a"), machine("b")]
    made = [
        checks.releases(DRIVER, alike),
        checks.clocks(alike),
        checks.authentication(alike),
        checks.seen_files(["/data"], alike),
        checks.space(PLANS, store(10**11)),
        checks.scratch(PLANS, alike),
    ]
    assert [each.state for each in made] == ["ok"] * 6
    assert "Python 3.12.3 and 1 packages alike on 2 machines" in made[0].found


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"python": "3.11.9"}, "Python 3.11.9 instead of 3.12.3 on b"),
        ({"packages": {"ray": "2.59.0", "timm": None}}, "ray 2.59.0 instead of 2.60.0 on b"),
        ({"packages": {"timm": None}}, "ray missing instead of 2.60.0 on b"),
        ({"packages": {"ray": "2.60.0", "timm": "1.0"}}, "timm 1.0 instead of none on b"),
    ],
)
def test_a_release_that_differs_is_named_with_its_machine(fault, said):
    failed(checks.releases(DRIVER, [machine("a"), machine("b", **fault)]), said)


def test_many_machines_with_one_fault_are_one_sentence():
    many = [machine(f"w{n}", python="3.11.9") for n in range(20)]
    found = checks.releases(DRIVER, many).found
    assert found == "Python 3.11.9 instead of 3.12.3 on w0, w1, w2, w3 and 16 more"


@pytest.mark.parametrize(("time", "off"), [(1000.0, 0), (1060.9, 0), (1062.0, 61), (900.0, 99), (1900.0, 899)])
def test_clocks_count_as_off_by_what_the_time_of_asking_leaves_no_doubt_of(time, off):
    check = checks.clocks([machine("a", time=time)])
    if off <= checks.APART:
        assert check.state == "ok"
    else:
        failed(check, f"a ({off:.0f} s off)")


def test_a_file_that_a_machine_does_not_see_is_named_with_it():
    check = checks.seen_files(["/data/model", "/data/images"], [machine("a"), machine("b", absent=("/data/images",))])
    failed(check, "/data/images is not on b")
    assert "/data/model" not in check.found


def test_space_is_measured_against_the_plan():
    failed(checks.space(PLANS, store(3 * 10**9)), "about 3.15 GB to write, 3.00 GB free")
    assert checks.space(PLANS, store(None)).state == "ok", "object storage has no limit that can be seen"
    assert checks.space([StagePlan(Large(), (), 3)], store(0)).state == "ok", "nothing is left to make"


def test_scratch_holds_a_part_for_each_that_is_made_at_a_time():
    four, one = machine("four", scratch=3 * 10**9), machine("one", (("CPU", 1.0), ("GPU", 0.0)), scratch=3 * 10**9)
    check = checks.scratch(PLANS, [four, one])
    failed(check, "four (3.00 GB)")
    assert "one" not in check.found.replace("(", " ").split()
    assert check.expected == "4.00 GB"


def test_a_machine_without_authentication_is_named():
    failed(checks.authentication([machine("a"), machine("b", by_token=False)]), "none on b")


def test_memory_of_the_gpu_is_said_or_why_it_was_too_little():
    trial = GPUTrial("L4", 6 * 10**9, 24 * 10**9, 0.5)
    assert checks.memory({"a": trial}).found == "L4: 6.00 of 24.0 GB for a batch"
    failed(checks.memory({"a": trial, "b": "OutOfMemoryError: CUDA out of memory"}), "b: OutOfMemoryError")
    assert checks.memory({}).state == "skipped"


def test_hours_are_those_of_the_slowest_gpu():
    slow, fast = GPUTrial("T4", 1, 2, 2.0), GPUTrial("L4", 1, 2, 0.5)
    assert checks.hours(PLANS, {"a": slow, "b": fast}).found.startswith("about 6 GPU-hours")
    assert checks.hours(PLANS, {}).state == "skipped"


# Files that stages name


@dataclass(frozen=True)
class Plug:
    path: str
    name: str = "/no such file anywhere"


@dataclass(frozen=True)
class Reads(Stage):
    plugs: tuple[Plug, ...] = ()
    folder: Path | str = ""
    read: Stage | None = None


def test_files_are_found_in_fields_and_in_plugs_and_nothing_else_counts(tmp_path):
    (tmp_path / "mask.png").touch()
    stage = Reads((Plug(str(tmp_path / "mask.png")), Plug("relative")), tmp_path, Large())
    assert set(checks.files_of([stage])) == {str(tmp_path / "mask.png"), str(tmp_path)}
