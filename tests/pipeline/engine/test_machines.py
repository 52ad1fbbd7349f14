"""Machines whose bytes may differ are told apart, and what is made of their parts says so."""

import subprocess
import sys
from dataclasses import replace

import pytest

from pipeline.engine import machines, provenance
from pipeline.engine.machines import NO_GPU, MachineKind, note_read, so_far, sources_noted, told
from pipeline.engine.source_code import SourceCode
from pipeline.engine.store import Store
from pipeline.engine.worker import Made, Worker
from tests.pipeline.planted import Numbers, Squares, Total

ONE = MachineKind("AMD avx2", "", (("torch", "2.9"), ("numpy", "2.3")))
INTEL = """processor : 0
vendor_id : GenuineIntel
model name : Intel(R) Xeon(R) Platinum 8488C
flags : fpu sse4_2 avx avx2 fma avx512f avx512_vnni avx512_bf16 amx_tile hypervisor

processor : 1
vendor_id : AuthenticAMD
"""
ARM = "processor : 0\nFeatures : fp asimd sve bf16\nCPU implementer : 0x41\n"


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (INTEL, ["Intel", "sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile"]),
        (ARM, ["0x41", "asimd", "sve", "bf16"]),
    ],
)
def test_a_cpu_is_its_maker_and_what_decides_among_its_flags(info, expected, tmp_path):
    (tmp_path / "cpuinfo").write_text(info)
    assert machines._described(tmp_path / "cpuinfo") == expected


def test_what_a_user_chooses_in_the_place_of_the_cpus_own_code_is_another_cpu(monkeypatch):
    def cpu_with(**environment: str) -> str:
        code = "from pipeline.engine.machines import cpu; print(cpu())"
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert cpu_with(ATEN_CPU_CAPABILITY="avx2") == f"{cpu_with()} ATEN_CPU_CAPABILITY=avx2"


def test_alike_machines_have_nothing_to_say():
    assert told([ONE, ONE]) == told([]) == ()
    assert told([ONE, replace(ONE, gpu="NVIDIA H100")]) == (), "a fit needs no GPU beside sampling that has one"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(ONE, cpu="Intel avx512f"), "(CPU: AMD avx2 and Intel avx512f)"),
        (replace(ONE, packages=(("torch", "2.10"), ("numpy", "2.3"))), "(torch: 2.10 and 2.9)"),
        (replace(ONE, packages=(("torch", "2.9"),)), "(numpy: 2.3 and none)"),
    ],
)
def test_unlike_machines_are_named_by_what_is_unlike(other, said):
    [note] = told([ONE, other])
    assert said in note and "may differ in the last bits" in note


def test_two_kinds_of_gpu_are_unlike_and_so_is_none_where_one_is_meant():
    assert "GPU: A100 and H100" in told([replace(ONE, gpu="A100"), replace(ONE, gpu="H100")])[0]
    assert "GPU: A100 and none" in told([replace(ONE, gpu="A100"), replace(ONE, gpu=NO_GPU)])[0]


def test_code_that_no_commit_has_is_told():
    [note] = told([ONE, replace(ONE, modified=True)])
    assert "uncommitted changes" in note


def test_a_kind_is_itself_again_from_a_record():
    kind = replace(ONE, gpu="H100", modified=True)
    assert MachineKind.of(kind.record()) == kind


def test_what_is_read_is_noted_in_the_block_alone():
    note_read({"machines": [ONE.record()]})
    with sources_noted():
        note_read({"machines": [ONE.record()]})
        note_read({"host": "an older record"})
        assert so_far() == {ONE}
    assert so_far() == frozenset()


def test_a_part_has_the_machines_of_all_that_it_comes_from(tmp_path, monkeypatch):
    """Two numbers are made on one machine, two on another, the squares on a third; the total comes from all of them."""
    monkeypatch.setattr(provenance, "source_code", lambda: SourceCode("abc", False, ""))
    store, numbers = Store(tmp_path / "root"), Numbers(parts=4)

    def make(stage, part, cpu: str) -> list[str]:
        monkeypatch.setattr(provenance, "cpu", lambda: cpu)
        assert isinstance(Worker().make(stage, part, store), Made)
        return [each["cpu"] for each in store.record(stage, part)["made"]["machines"]]

    assert [make(numbers, part, f"kind {part % 2}") for part in range(4)] == [["kind 0"], ["kind 1"]] * 2
    squares = Squares(numbers)
    assert make(squares, 0, "kind 2") == ["kind 0", "kind 2"]
    assert [make(squares, part, "kind 0") for part in (1, 2, 3)] == [
        ["kind 0", "kind 1"],
        ["kind 0"],
        ["kind 0", "kind 1"],
    ]
    assert make(Total(squares), 0, "kind 0") == ["kind 0", "kind 1", "kind 2"]
