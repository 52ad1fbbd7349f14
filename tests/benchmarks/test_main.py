"""The collector of benchmarks, on benchmarks written here."""

import textwrap

import pytest

from benchmarks.__main__ import Outcome, find, main, page, run

GOOD = """
    print("a table")
    print('{"benchmark": "good", "figures": {"speed": 2}, "targets": {"speed": 1}, "holds": true}')
"""
MISSES = """
    print("a slow table")
    print('{"benchmark": "misses", "figures": {"speed": 1}, "targets": {"speed": 2}, "holds": false}')
    raise SystemExit(1)
"""
LIES = """
    print('{"benchmark": "lies", "figures": {}, "targets": {}, "holds": true}')
    raise SystemExit(1)
"""
CRASHES = """
    print("a table")
    raise RuntimeError("no")
"""


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    for name, code in {"good": GOOD, "misses": MISSES, "lies": LIES, "crashes": CRASHES, "_shared": ""}.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(code))
    return tmp_path


def test_every_module_without_an_underscore_is_a_benchmark(root):
    assert find(root / "benchmarks") == ["crashes", "good", "lies", "misses"]


def test_the_verdict_is_the_last_line_and_the_table_what_stands_before(root):
    assert run("good", [], root) == Outcome("good", "a table", True)
    assert run("misses", [], root) == Outcome("misses", "a slow table", False)


@pytest.mark.parametrize("name", ["lies", "crashes"])
def test_a_benchmark_that_contradicts_itself_or_ends_without_a_verdict_does_not_hold(root, name):
    outcome = run(name, [], root)
    assert not outcome.holds
    assert "exit code 1" in outcome.problem


def test_the_page_shows_verdicts_and_tables():
    text = page([Outcome("good", "a table", True), Outcome("misses", "a slow table", False)])
    assert "| [good](#good) | holds |" in text
    assert "| [misses](#misses) | misses |" in text
    section = text[text.index("## misses") :]
    assert section.startswith("## misses\n\n**misses** on 20") and "```\na slow table\n```" in section


def test_what_was_not_run_again_stays_on_the_page():
    before = page([Outcome("good", "an old table", True), Outcome("misses", "a slow table", False)])
    after = page([Outcome("misses", "a fast table", True), Outcome("new", "a table", True)], before)
    assert [line for line in after.splitlines() if line.startswith("| [")] == [
        "| [good](#good) | holds |",
        "| [misses](#misses) | holds |",
        "| [new](#new) | holds |",
    ]
    assert "an old table" in after and "a fast table" in after and "a slow table" not in after


def test_an_unknown_benchmark_is_refused_before_anything_runs(capsys):
    assert main(["pca", "speed"]) == 2
    assert "There is no benchmark speed; there are" in capsys.readouterr().err
