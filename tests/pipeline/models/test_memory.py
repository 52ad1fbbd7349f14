"""Page faults are counted by the system: none where freed memory is kept."""

import subprocess
import sys

import pytest

COUNT = """
import resource, torch
from pipeline.models.memory import keep_freed_memory
kept = keep_freed_memory() if {keep} else True
torch.set_num_threads(1)
def use():
    for _ in range(5):
        torch.ones(12_000_000)  # 48 MB, 11,700 pages: more than glibc ever keeps by itself
counts = []
for _ in range(8):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    use()
    counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(kept, min(counts))
"""


def faults(keep: bool) -> int:
    code = COUNT.format(keep=keep)
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    kept, count = output.split()
    if kept != "True":
        pytest.skip("no glibc here")
    return int(count)


def test_large_tensors_are_paid_for_once():
    """Five tensors of 11,719 pages are paid for anew every time, or, once the heap has grown to hold them, not at all."""
    assert faults(keep=False) > 4 * 11_719
    assert faults(keep=True) < 11_719
