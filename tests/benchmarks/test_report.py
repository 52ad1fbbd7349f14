"""The end of a benchmark: the last line and the exit code say the same."""

import json

import pytest

from benchmarks._report import verdict


@pytest.mark.parametrize(("speedup", "exit_code"), [(1.6, 0), (1.4, 1)])
def test_it_holds_when_every_target_does(capsys, speedup, exit_code):
    targets = {"speedup": (">=", 1.5), "overhead": ("<=", 0.05)}
    assert verdict("sample", {"speedup": speedup, "overhead": 0.05, "error": 1e-6}, targets) == exit_code
    *table, last = capsys.readouterr().out.splitlines()
    answer = json.loads(last)
    assert answer["benchmark"] == "sample"
    assert answer["targets"] == {"speedup": ">= 1.5", "overhead": "<= 0.05"}
    assert answer["holds"] is (exit_code == 0)
    assert any("error" in line for line in table)  # printed without a target


def test_a_target_without_a_figure_is_a_mistake():
    with pytest.raises(KeyError, match="speedup"):
        verdict("sample", {}, {"speedup": (">=", 1.5)})
