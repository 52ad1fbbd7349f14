"""Ends processes when the one that has them is gone, however it went: a program of its own that outlives it for a moment.

Ray's agents end with a Ray that is shut down, and not with one whose driver was killed.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import psutil

GRACE = 3.0  # seconds in which what can end by itself does


@contextmanager
def ended_with_this_process(processes: Iterable[psutil.Process]) -> Iterator[None]:
    """Have processes killed soon after this one ends within the block, or after the block."""
    command = [sys.executable, "-P", __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True) as reaper:
        assert reaper.stdin
        print(*(process.pid for process in processes), file=reaper.stdin, flush=True)
        yield


def main() -> None:
    processes = []
    for pid in map(int, sys.stdin.readline().split()):
        with suppress(psutil.Error):
            processes.append(psutil.Process(pid))
    sys.stdin.read()  # to the end of who started this
    _, living = psutil.wait_procs(processes, timeout=GRACE)
    for process in living:
        with suppress(psutil.Error):
            process.kill()


if __name__ == "__main__":
    main()
