"""Run benchmarks, one after the other, and collect their tables in RESULTS.md: `python -m benchmarks [NAME ...] [--quick]`.

A benchmark is a module of this folder whose name does not start with an underscore. It prints a table that a person can
read and then one line of JSON, `{"benchmark": NAME, "figures": {...}, "targets": {...}, "holds": true}`, and exits with
0 exactly when every target holds. So does this. Without names it runs them all. Options are passed on; a run without any rewrites
the sections of RESULTS.md that it has run, each with its date and machine, and leaves the others.
"""

import json
import os
import pkgutil
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"


@dataclass(frozen=True)
class Outcome:
    name: str
    table: str  # what it printed, without the last line
    holds: bool
    problem: str = ""  # why there is no verdict, when there is none


def main(arguments: list[str]) -> int:
    options = [argument for argument in arguments if argument.startswith("-")]
    wanted = [argument for argument in arguments if not argument.startswith("-")]
    if unknown := sorted(set(wanted) - set(find())):
        print(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(find())}.", file=sys.stderr)
        return 2

    outcomes = [run(name, options) for name in wanted or find()]
    if not options:
        RESULTS.write_text(page(outcomes, RESULTS.read_text() if RESULTS.exists() else ""))
        print(f"\nWrote {RESULTS}")

    for outcome in outcomes:
        print(f"{verdict(outcome):6} {outcome.name} {outcome.problem}".rstrip())
    return 0 if all(outcome.holds for outcome in outcomes) else 1


def find(folder: Path = HERE) -> list[str]:
    """The benchmarks, in the order of the alphabet."""
    return sorted(module.name for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_"))


def run(name: str, arguments: list[str], root: Path = HERE.parent) -> Outcome:
    """Run one benchmark in a process of its own, showing what it prints as it prints it."""
    print(f"\n=== {name} ===", flush=True)
    command = [sys.executable, "-u", "-m", f"benchmarks.{name}", *arguments]
    lines = []
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())

    return read(name, lines, process.returncode)


def read(name: str, lines: list[str], exit_code: int) -> Outcome:
    """The verdict stands in the last line, and the exit code must agree with it."""
    *table, last = lines or [""]
    try:
        answer = json.loads(last)
        named, holds = answer["benchmark"], answer["holds"]
    except (ValueError, KeyError, TypeError):
        problem = f"ended with exit code {exit_code} and without a last line of JSON"
        return Outcome(name, "\n".join(lines), False, problem)

    if named != name or holds is not (exit_code == 0):
        problem = f"says {last!r} and ends with exit code {exit_code}: one of them is wrong"
        return Outcome(name, "\n".join(table), False, problem)
    return Outcome(name, "\n".join(table), holds)


def verdict(outcome: Outcome) -> str:
    return "broken" if outcome.problem else "holds" if outcome.holds else "misses"


def page(outcomes: list[Outcome], before: str = "") -> str:
    """RESULTS.md: the verdicts, then a section for each benchmark with what it printed; those not run stay as they were before."""
    sections = {section.split("\n")[0]: section for section in before.split("\n## ")[1:]}
    for outcome in outcomes:
        sections[outcome.name] = (
            f"{outcome.name}\n\n**{verdict(outcome)}** on {date.today()}: {machine()}.\n\n```\n{outcome.table.strip()}\n```\n"
        )
    names = sorted(sections)
    said = {name: found[1] if (found := re.search(r"^\*\*(\w+)\*\*", sections[name], re.M)) else "?" for name in names}
    summary = [f"| [{name}](#{name}) | {said[name]} |" for name in names]
    head = "# Benchmarks\n\nWritten by `make bench`.\n"
    body = [f"## {sections[name].rstrip()}\n" for name in names]
    return "\n".join([head, "| benchmark | targets |", "|---|---|", *summary, "", *body])


def machine() -> str:
    """Where the figures were taken, in a line."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    models = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    cpu = models[0] if models else platform.machine()
    releases = ", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers", "ray", "scikit-learn"))
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, {releases}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
