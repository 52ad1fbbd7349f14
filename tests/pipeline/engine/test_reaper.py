"""Processes that end with the one that has them, however it goes."""

import subprocess
import sys
from pathlib import Path

import psutil

from tests.pipeline.planted import wait_for

ROOT = Path(__file__).parents[3]

CODE = """
import os, subprocess, sys, time, psutil
from pipeline.engine.reaper import ended_with_this_process
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
with ended_with_this_process([psutil.Process(child.pid)]):
    print(child.pid, flush=True)
    if sys.argv[1] == "killed":
        os.kill(os.getpid(), 9)
    if sys.argv[1] == "alone":
        child.kill(); child.wait()
print(len(psutil.Process().children()), flush=True)
"""


def told(how: str) -> tuple[int, list[str]]:
    """The child's number, and what a process says that goes on after the block."""
    done = subprocess.run([sys.executable, "-c", CODE, how], cwd=ROOT, capture_output=True, text=True, timeout=60)
    child, *rest = done.stdout.splitlines()
    return int(child), rest


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_who_is_killed_leaves_nothing():
    child, rest = told("killed")
    assert not rest
    wait_for(lambda: gone(child), "the child to end")


def test_what_is_left_after_the_block_is_ended_and_what_ended_before_is_not_waited_for():
    child, rest = told("left")
    assert gone(child) and rest == ["1"], "a zombie of its own"
    child, rest = told("alone")
    assert gone(child) and rest == ["0"], "the reaper has gone, too"
