"""Runs under faults, against an undisturbed one: `python -m benchmarks.chaos [--minutes N] [--seed S] [--only ROUND ...]`.

A small whole job on the bundled portraits is run again and again, each time on an empty root, while faults strike it at random
moments: at times, and after numbers of finished parts, that a seed decides. Workers, raylets, nodes and drivers are killed, workers
stopped; an object store (SeaweedFS on this machine) loses requests and answers; disks fill, by bytes and by files; finished files
are damaged; clocks jump; two drivers work on one root.

After each, the same command again has to end with 0, and then: every file of every part has the bytes that the undisturbed run
made, the catalog's among them; every sample is there once; nothing is left in scratch; and no process lives. What does not hold is
a loss. Whether a run finished through its faults by itself is counted, without a target: a driver that was killed cannot.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks._chaos_check import Truth
from benchmarks._chaos_job import Trial, records
from benchmarks._chaos_rounds import ROUNDS, Chaos, play
from benchmarks._report import verdict
from benchmarks._servers import seaweedfs

# The project's own bar: whoever kills it, anywhere, loses nothing that was finished. 300 faults, as the recorded run has to have.
TARGETS = {"losses": ("<=", 0.0), "faults": (">=", 300.0)}
SHORT = {"losses": ("<=", 0.0), "faults": (">=", 1.0)}


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what it started ends, too
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as name, seaweedfs() as server:
        made = undisturbed(Path(name))
        print(
            f"The undisturbed run took {time.monotonic() - started:.0f} s and made {len(made[0].parts)} parts.",
            flush=True,
        )
        chaos = Chaos(*made, server, random.Random(options.seed))
        turns = play_until(chaos, started + 60 * options.minutes, options.only or list(ROUNDS))
    show(chaos, turns)
    figures = {
        "faults": chaos.faults.total(),
        "losses": len(chaos.losses),
        "faults_beside_requests_to_the_store": struck_beside_requests(chaos),
        "kinds_of_faults": len(chaos.faults),
        "rounds": sum(turns.values()),
        "finished_by_themselves": chaos.survived.total(),
        "finished_by_the_same_command_again": chaos.again.total(),
        "minutes": round((time.monotonic() - started) / 60, 1),
    }
    return verdict("chaos", figures, TARGETS if options.minutes >= 20 else SHORT)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos")
    parser.add_argument("--minutes", type=float, default=45.0, help="begin no round after so many minutes")
    parser.add_argument("--seed", type=int, default=0, help="what strikes, and when")
    parser.add_argument("--only", nargs="*", choices=list(ROUNDS), help="these rounds alone")
    parser.add_argument("--quick", action="store_true", help="two minutes")
    options = parser.parse_args()
    if options.quick:
        options.minutes = 2.0
    return options


def undisturbed(home: Path) -> tuple[Truth, Path]:
    """Return what a run makes that nobody disturbs, in one process, and where it lies."""
    root = home / "root"
    trial = Trial(str(root), home, lambda: len(list(records(root))))
    if code := trial.run():
        raise RuntimeError(f"The undisturbed run ends with {code}.\n{trial.printed()}")
    return Truth.of(root), root


def play_until(chaos: Chaos, until: float, names: list[str]) -> dict[str, int]:
    """Play rounds in turns, each cycle in another order, until the time is over; how often each was played."""
    turns = dict.fromkeys(names, 0)
    order: list[str] = []
    while time.monotonic() < until:
        order = order or chaos.chance.sample(names, len(names))
        name, began, before = order.pop(), time.monotonic(), chaos.faults.total()
        play(name, chaos)
        turns[name] += 1
        struck = chaos.faults.total() - before
        print(
            f"{name}: {struck} faults in {time.monotonic() - began:.0f} s; {len(chaos.losses)} losses so far",
            flush=True,
        )
    return turns


def struck_beside_requests(chaos: Chaos) -> int:
    """Return how many faults were none of single requests to the object store, of which a run makes thousands."""
    return sum(count for name, count in chaos.faults.items() if not name.startswith("store: "))


def show(chaos: Chaos, turns: dict[str, int]) -> None:
    rounds = Table(
        "round", "played", "finished by themselves", "by the same command again", box=None, header_style="bold"
    )
    for name, played in turns.items():
        rounds.add_row(name, str(played), str(chaos.survived[name] or ""), str(chaos.again[name] or ""))
    faults = Table("fault", "struck", box=None, header_style="bold")
    for name, count in sorted(chaos.faults.items()):
        faults.add_row(name, str(count))
    for table in (rounds, faults):
        Console(width=110).print(table)
    for loss in chaos.losses:
        print(f"LOST: {loss}")


if __name__ == "__main__":
    sys.exit(main())
