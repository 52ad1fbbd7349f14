"""What a preflight says of what it found on the machines of a cluster: a line a check, with what to do where one failed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.engine.plan import GIGABYTE, HEADROOM, StagePlan
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store

APART = 60.0  # seconds that clocks may be
NAMED = 4  # machines or files in a line, at most


Kind = tuple[tuple[str, float], ...]  # what a machine offers, by name: CPUs, GPUs, which


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "failed", "skipped"]
    found: str
    expected: str = ""
    to_do: str = ""


@dataclass(frozen=True)
class Seen:
    """What a machine says of itself."""

    host: str
    python: str
    packages: Mapping[str, str | None]  # releases by name; None is not installed
    time: float  # seconds since the epoch, by its own clock
    scratch: int  # bytes free where parts are made
    absent: tuple[str, ...]  # files of the run that are not there
    by_token: bool  # its Ray takes orders from whoever has the token, and from nobody else


@dataclass(frozen=True)
class Machine:
    """A machine of the cluster as Ray lists it, and what it said of itself between two moments of the driver's clock."""

    node: str  # Ray's id
    kind: Kind  # the CPUs and GPUs that it offers: machines of a type are alike
    seen: Seen
    asked: float
    answered: float

    @property
    def off(self) -> float:
        """Seconds that its clock is certainly off the driver's."""
        return max(self.asked - self.seen.time, self.seen.time - self.answered, 0.0)


@dataclass(frozen=True)
class GPUTrial:
    """One batch, made on a GPU for trial."""

    gpu: str
    used: int  # bytes, at most
    total: int  # bytes that the GPU has
    seconds: float  # a unit of `Stage.part_work`


def files_of(stages: Sequence[Stage]) -> list[str]:
    """The files and folders of this machine that stages name in their fields, and in those of the plugs that these hold."""
    found: dict[str, None] = {}

    def visit(value: Any) -> None:
        if isinstance(value, str | Path) and str(value).startswith("/") and len(str(value)) < 4096:
            if Path(value).exists():
                found.setdefault(str(value))
        elif isinstance(value, tuple):
            for each in value:
                visit(each)
        elif is_dataclass(value) and not isinstance(value, type | Stage):
            for field in fields(value):
                visit(getattr(value, field.name))

    for stage in stages:
        for field in fields(stage):
            visit(getattr(stage, field.name))
    return list(found)


def releases(driver: Seen, machines: Sequence[Machine]) -> Check:
    """Whether all machines have the driver's Python and packages: what it sends them is theirs to read."""
    ours = {"Python": driver.python, **driver.packages}
    unlike: dict[str, list[str]] = {}
    for each in machines:
        theirs = {"Python": each.seen.python, **each.seen.packages}
        for name in (name for name in ours if theirs.get(name) != ours[name]):
            said = f"{name} {theirs.get(name) or 'missing'} instead of {ours[name] or 'none'}"
            unlike.setdefault(said, []).append(each.seen.host)
    if not unlike:
        count = sum(release is not None for release in driver.packages.values())
        found = f"Python {driver.python} and {count} packages alike on {counted(len(machines))}"
        return Check("releases", "ok", found)
    return Check(
        "releases",
        "failed",
        "; ".join(f"{what} on {_some(hosts)}" for what, hosts in unlike.items()),
        f"what the driver on {driver.host} has",
        "Install the same releases on every machine, those of constraints.txt, then start Ray again there.",
    )


def authentication(machines: Sequence[Machine]) -> Check:
    """Whether Ray asks for a token on all machines: without one, whoever reaches a port of it runs what they like there."""
    hosts = [each.seen.host for each in machines if not each.seen.by_token]
    if not hosts:
        return Check("authentication", "ok", "by token")
    to_do = "Start Ray on every machine with RAY_AUTH_MODE=token and the same token, which `ray get-auth-token` makes."
    return Check("authentication", "failed", f"none on {_some(hosts)}", "a token", to_do)


def clocks(machines: Sequence[Machine]) -> Check:
    """Whether the clocks of all machines are within a minute of the driver's: leases, tokens and signed requests go by them."""
    wrong = [each for each in machines if each.off > APART]
    if not wrong:
        most = max((each.off for each in machines), default=0.0)
        return Check("clocks", "ok", f"within {max(most, 1):.0f} s of the driver's")
    found = _some([f"{each.seen.host} ({each.off:.0f} s off)" for each in wrong])
    return Check(
        "clocks", "failed", found, f"at most {APART:.0f} s", "Have these machines keep time: systemd-timesyncd."
    )


def seen_files(files: Sequence[str], machines: Sequence[Machine]) -> Check:
    """Whether all machines see the files that the run names."""
    lacking = {path: [each.seen.host for each in machines if path in each.seen.absent] for path in files}
    lacking = {path: hosts for path, hosts in lacking.items() if hosts}
    if not lacking:
        return Check("files", "ok", f"{len(files)} files and folders of the run are there for all machines")
    return Check(
        "files",
        "failed",
        "; ".join(f"{path} is not on {_some(hosts)}" for path, hosts in list(lacking.items())[:NAMED]),
        "the driver's path on every machine",
        "Put these on a disk that all machines have at the same path, or name a model by its repository on the hub.",
    )


def space(plans: Sequence[StagePlan], store: Store) -> Check:
    """Whether the store has room for what is planned."""
    needed, free = sum(each.bytes for each in plans) * HEADROOM, store.free_bytes()
    said = f"about {needed / GIGABYTE:.2f} GB to write"
    if free is None:
        return Check("space", "ok", f"{said}; {store.root} has no limit that can be seen")
    there = f"{said}, {free / GIGABYTE:.2f} GB free at {store.root}"
    if needed <= free:
        return Check("space", "ok", there)
    return Check("space", "failed", there, "room for all of it", "Give a larger root, or lower `samples` or `steps`.")


def scratch(plans: Sequence[StagePlan], machines: Sequence[Machine]) -> Check:
    """Whether all machines have room for the parts in the making: one a CPU or GPU at a time."""
    part = max((each.stage.part_bytes() for each in plans if each.todo), default=0)
    needed = {each.node: part * max(1, int(max((count for _, count in each.kind), default=1))) for each in machines}
    small = [each for each in machines if each.seen.scratch < needed[each.node]]
    if not small:
        least = min((each.seen.scratch for each in machines), default=0)
        return Check("scratch", "ok", f"{least / GIGABYTE:.1f} GB free at least; a part takes {part / GIGABYTE:.3f} GB")
    found = _some([f"{each.seen.host} ({each.seen.scratch / GIGABYTE:.2f} GB)" for each in small])
    most = max(needed[each.node] for each in small)
    return Check("scratch", "failed", found, f"{most / GIGABYTE:.2f} GB", "Give TMPDIR on a larger disk there.")


def memory(trials: Mapping[str, GPUTrial | str]) -> Check:
    """Whether a batch fits into the memory of each type of GPU, by what its trial took, or why that failed."""
    failed = {host: trial for host, trial in trials.items() if isinstance(trial, str)}
    if failed:
        found = "; ".join(f"{host}: {why}" for host, why in failed.items())
        return Check("GPU memory", "failed", found, "one batch, made for trial", "Lower `batch`, or take larger GPUs.")
    said = [
        f"{trial.gpu}: {trial.used / GIGABYTE:.2f} of {trial.total / GIGABYTE:.1f} GB for a batch"
        for trial in trials.values()
        if isinstance(trial, GPUTrial)
    ]
    return (
        Check("GPU memory", "ok", "; ".join(said)) if said else Check("GPU memory", "skipped", "no machine has a GPU")
    )


def hours(plans: Sequence[StagePlan], trials: Mapping[str, GPUTrial | str]) -> Check:
    """How long the networks take for what is planned, by the slowest of the trials."""
    slowest = max((each.seconds for each in trials.values() if isinstance(each, GPUTrial)), default=None)
    if slowest is None:
        return Check("time", "skipped", "no batch was timed")
    hours = sum(each.work for each in plans) * slowest / 3600
    return Check("time", "ok", f"about {hours:.2g} GPU-hours of the U-Net, by one timed batch")


def _some(names: Sequence[str]) -> str:
    said = [f"{name} ({times} times)" if times > 1 else name for name, times in Counter(names).items()]
    more = len(said) - NAMED
    return ", ".join(said[:NAMED]) + (f" and {more} more" if more > 0 else "")


def counted(count: int) -> str:
    return "1 machine" if count == 1 else f"{count} machines"
