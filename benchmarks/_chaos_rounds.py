"""The rounds of chaos: each is a root, a way to hurt what works on it, and the same command again until all is made."""

import json
import random
import secrets
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks._chaos_bucket import count_records, fetched, forget
from benchmarks._chaos_check import Truth, left_behind
from benchmarks._chaos_cluster import cluster
from benchmarks._chaos_disk import small_disk
from benchmarks._chaos_job import Hung, Trial, ended, records
from benchmarks._chaos_rot import damage
from benchmarks._chaos_strikes import ON_DRIVER, ON_RAY, Process, pause, pick, scramble_times, wrong_clock
from benchmarks._proxy import faulty
from benchmarks._servers import Server

RATES = {"reset": 0.03, "500": 0.02, "503": 0.03, "slow": 0.03, "cut answer": 0.03, "cut upload": 0.03} | {
    "lost answer": 0.03,
    "500 after": 0.02,
}


@dataclass
class Chaos:
    """All that the rounds share: what is true, chance, and what has been counted."""

    truth: Truth
    made: Path  # the root of the undisturbed run
    server: Server
    chance: random.Random
    faults: Counter[str] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)
    survived: Counter[str] = field(default_factory=Counter)  # runs that finished through their faults, by round
    again: Counter[str] = field(default_factory=Counter)  # runs that the same command had to finish

    def until_done(self, name: str, trial: Trial, process: Process, *more: str) -> None:
        """Wait for a disturbed run. Where it has not made everything, the same command has to, at once."""
        if trial.await_end(process) == 0:
            self.survived[name] += 1
            return
        self.say_why(name, trial)
        self.again[name] += 1
        if code := trial.run(*more):
            self.lose(trial, f"the same command again ends with {code}")

    def say_why(self, name: str, trial: Trial) -> None:
        """Print why a run has not finished by itself, in its own words."""
        lines = [line for line in trial.printed().splitlines() if "Error" in line]
        print(f"{name}: {lines[-1][:300] if lines else 'without a word'}", flush=True)

    def check(self, trial: Trial, root: Path) -> None:
        """Compare everything with the undisturbed run."""
        if lost := [*self.truth.losses(root), *left_behind(trial, root)]:
            self.lose(trial, *lost)

    def lose(self, trial: Trial, *what: str) -> None:
        print("\n".join([f"LOST: {each}" for each in what]), trial.printed(), sep="\n", flush=True)
        self.losses += what


Round = Callable[[Chaos], None]


@contextmanager
def fresh(workers: int) -> Iterator[Trial]:
    """A trial on an empty local root."""
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        with ended(Trial(str(home / "root"), home, lambda: len(list(records(home / "root"))), workers)) as trial:
            yield trial


def disturb(chaos: Chaos, trial: Trial, process: Process, strikes: dict, most: int, more: int = 9) -> Process:
    """Strike at random moments. A driver that was struck is started again. Return the last one, which nobody strikes."""
    for _ in range(chaos.chance.randint(most // 2, most)):
        if not trial.await_parts(process, chaos.chance.randint(1, more)):
            break
        pause(chaos.chance)
        name, strike = pick(strikes, chaos.chance)
        if strike(trial, process, chaos.chance):
            chaos.faults[name] += 1
        if process.poll() is not None:
            process = trial.start()
    return process


def processes(chaos: Chaos) -> None:
    """Workers, raylets and drivers, on a Ray of the job's own."""
    with fresh(workers=2) as trial:
        process = disturb(chaos, trial, trial.start(), ON_RAY, most=10)
        chaos.until_done("processes", trial, process)
        chaos.check(trial, Path(trial.root))


def drivers(chaos: Chaos) -> None:
    """Drivers that work in their own process."""
    with fresh(workers=0) as trial:
        process = disturb(chaos, trial, trial.start(), ON_DRIVER, most=6, more=20)
        chaos.until_done("drivers", trial, process)
        chaos.check(trial, Path(trial.root))


def nodes(chaos: Chaos) -> None:
    """Nodes of a cluster, which are lost without a word and replaced."""
    with fresh(workers=2) as trial:
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
        trial.environment = token
        with cluster(trial, [1, 1]) as of_nodes:
            trial.options = ("--address", of_nodes.address)
            process = trial.start()
            for _ in range(chaos.chance.randint(1, 3)):
                if not trial.await_parts(process, chaos.chance.randint(1, 15)):
                    break
                of_nodes.tell("add 1")
                of_nodes.tell("kill")
                chaos.faults["node killed"] += 1
            chaos.until_done("nodes", trial, process)
        chaos.check(trial, Path(trial.root))


def bucket(chaos: Chaos) -> None:
    """An object store that loses requests and answers, and a driver that is killed meanwhile."""
    folder = f"run-{secrets.token_hex(4)}"
    with fresh(workers=chaos.chance.choice([0, 0, 2])) as trial:
        with faulty(chaos.server, RATES, seed=chaos.chance.randrange(2**32), delay=0.2) as proxy:
            trial.root, trial.environment = proxy.server.url(folder), proxy.server.environment()
            trial.seen = lambda: count_records(chaos.server, folder)
            process = trial.start()
            if chaos.chance.random() < 0.5:
                process = disturb(chaos, trial, process, ON_DRIVER, most=2, more=40)
            if trial.await_end(process) == 0:
                chaos.survived["bucket"] += 1
            else:
                chaos.say_why("bucket", trial)
                chaos.again["bucket"] += 1
                proxy.rates = {}
                if code := trial.run():
                    chaos.lose(trial, f"the same command again ends with {code}")
            chaos.faults.update({f"store: {kind}": count for kind, count in proxy.struck.items()})
        chaos.check(trial, fetched(chaos.server, folder, trial.home / "fetched"))
        forget(chaos.server, folder)


def full_disk(chaos: Chaos) -> None:
    """A disk that somebody else fills, by bytes and by files, and makes room on again."""
    with fresh(workers=0) as trial, small_disk(trial.home / "disk") as disk:
        if disk is None:
            return
        root = disk.outside / "root"
        trial.root, trial.prefix, trial.seen = str(disk.path / "root"), disk.prefix, lambda: len(list(records(root)))
        for name, fill in chaos.chance.sample([("disk full", disk.fill), ("inodes full", disk.fill_inodes)], 2):
            process = trial.start()
            if trial.await_parts(process, chaos.chance.randint(1, 30)):
                fill()
                chaos.faults[name] += 1
                if trial.await_end(process) == 0:
                    chaos.lose(trial, f"{name}: the run ends with 0")
            trial.await_end(process)
            disk.free()
        if code := trial.run():
            chaos.lose(trial, f"the same command again ends with {code}")
        chaos.check(trial, Path(shutil.copytree(root, trial.home / "copied", symlinks=True)))


def rot(chaos: Chaos) -> None:
    """Finished parts that are damaged: all of it is found and named, and the same command mends it."""
    with fresh(workers=0) as trial:
        root = Path(shutil.copytree(chaos.made, trial.root, symlinks=True))
        damaged = damage(root, chaos.chance.randint(8, 20), chaos.chance)
        chaos.faults.update(damaged.values())
        code, faults = deep(trial)
        if code != 1:
            chaos.lose(trial, f"verify ends with {code} where {len(damaged)} files are damaged")
        for path, kind in damaged.items():
            if not any(names(each, path.relative_to(root)) for each in faults):
                chaos.lose(trial, f"verify does not name {path.relative_to(root)}: {kind}")
        if code := trial.run("--repair"):
            chaos.lose(trial, f"the same command to repair it ends with {code}")
        if (code := deep(trial)[0]) != 0:
            chaos.lose(trial, f"verify ends with {code} after a repair")
        chaos.check(trial, root)


def deep(trial: Trial) -> tuple[int, list[dict[str, str]]]:
    """Return the exit code of a check of every byte, and the faults that it names."""
    output = trial.home / "verified"
    with open(output, "wb") as file:
        command = trial.command("jobs.verify", trial.root, "--deep", "--json")
        code = trial.popen(command, stdout=file).wait(timeout=600)
    text = output.read_text()
    return code, json.loads(text)["faults"] if text else []


def names(fault: dict[str, str], path: Path) -> bool:
    """Whether a fault is said of this file, by its path below the root."""
    stage, *within = path.parts
    return fault["stage"] == stage and fault["why"].startswith("/".join(within))


def clocks(chaos: Chaos) -> None:
    """Clocks that are years off and jump while a run goes on, and files of any age."""
    workers = chaos.chance.choice([0, 2])
    with fresh(workers) as trial:
        root = Path(trial.root)
        trial.environment = wrong_clock(trial.home / "clock", jumps=workers == 0)
        process = trial.start()
        chaos.faults["clock wrong"] += 1
        if trial.await_parts(process, chaos.chance.randint(5, 40)):
            with suppress(FileNotFoundError):
                scramble_times(root, chaos.chance)
            process.kill()
            process.wait()
            chaos.faults["times of files changed"] += 1
            process = trial.start()
            chaos.faults["clock wrong"] += 1
        chaos.until_done("clocks", trial, process)
        chaos.check(trial, root)


def rivals(chaos: Chaos) -> None:
    """Two drivers that know nothing of each other, on one root; one of them may be killed."""
    with fresh(workers=0) as trial:
        first, second = trial.start(), trial.start()
        chaos.faults["two drivers on one root"] += 1
        if chaos.chance.random() < 0.5 and trial.await_parts(first, chaos.chance.randint(1, 40)):
            first.kill()
            first.wait()
            chaos.faults["driver killed"] += 1
        elif code := trial.await_end(first):
            chaos.lose(trial, f"the first of two drivers ends with {code}")
        chaos.until_done("rivals", trial, second)
        chaos.check(trial, Path(trial.root))


ROUNDS: dict[str, Round] = {
    each.__name__: each for each in (rot, bucket, processes, full_disk, rivals, nodes, clocks, drivers)
}


def play(name: str, chaos: Chaos) -> None:
    """Play a round; a run that hangs is a loss like any other."""
    try:
        ROUNDS[name](chaos)
    except (Hung, subprocess.TimeoutExpired) as hung:
        print(f"LOST: {name}: {hung}", flush=True)
        chaos.losses.append(f"{name}: {hung}")


def describe(chaos: Chaos) -> str:
    """Return the counts in a line of JSON, for a look at them while it goes on."""
    return json.dumps(dict(sorted(chaos.faults.items())))
