"""Preflight: what would make a run fail on a cluster, looked at on its own machines before any work.

Every machine that is up says which releases it has, what time it is, how much room there is for parts in the making, and which
files of the run it does not see; then it reads from the store what the machine before it left there, and leaves something for the
next. One machine of each type loads what the stages load, and, where it has a GPU, makes one batch for trial. A cluster that is at
zero is asked for a machine first.
"""

import json
import platform
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline.engine import checks
from pipeline.engine.checks import Check, GPUTrial, Kind, Machine, Seen, files_of
from pipeline.engine.plan import StagePlan
from pipeline.engine.ray_start import connected
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.worker import LOADED_AT_ONCE
from pipeline.errors import UserError
from pipeline.in_use import sharing

NAME = "preflight.json"  # in the root of the store: what was found the last time
ANSWER = 300.0  # seconds in which a machine that is up answers
PATIENCE = 900.0  # seconds in which a cluster that is at zero has a machine, and a machine has loaded its networks

Try = Callable[[Stage], GPUTrial | None]  # one batch of a stage, made on a GPU; None of what is no network's work


def preflight(
    store: Store,
    plans: Sequence[StagePlan],
    packages: Sequence[str],
    attempt: Try,
    address: str | None,
    fetched: Path | None = None,
) -> Iterator[Check]:
    """Look at every machine of a cluster, and yield each check as soon as it is made. What is found is left in the store, too.

    packages: those whose releases decide results. attempt: what makes a batch for trial. fetched: a folder whose files each machine
    fetches by itself, so that the others need not have them. Nothing of the run is made.
    """
    made: list[Check] = []
    with connected(address, None, lambda _: None) as ray:
        for check in _checks(Visit(ray), store, plans, packages, attempt, fetched):
            made.append(check)
            yield check
    if any(each.name == "store" and each.state == "ok" for each in made):
        store.leave(NAME, json.dumps([asdict(each) for each in made], indent=2).encode())


def _checks(
    cluster: "Visit",
    store: Store,
    plans: Sequence[StagePlan],
    packages: Sequence[str],
    attempt: Try,
    fetched: Path | None,
) -> Iterator[Check]:
    yield (workers := cluster.wait())
    if workers.state == "failed":
        return
    todo = [each.stage for each in plans if each.todo]
    files = [each for each in files_of(todo) if not (fetched and Path(each).is_relative_to(fetched))]
    machines, silent = cluster.look(packages, files)
    if silent:
        yield Check(
            "machines", "failed", "; ".join(silent), "an answer", "Every machine needs the packages of constraints.txt."
        )
    failed = bool(silent)
    for check in _of_machines(machines, cluster, store, plans, look(packages, ()), files):
        failed |= check.state == "failed"
        yield check
    if failed:  # loading takes minutes, and would fail of the same
        yield Check("models", "skipped", "what failed comes first")
    else:
        yield from cluster.trials(machines, plans, attempt)


def _of_machines(
    machines: Sequence[Machine],
    cluster: "Visit",
    store: Store,
    plans: Sequence[StagePlan],
    driver: Seen,
    files: Sequence[str],
) -> Iterator[Check]:
    yield checks.releases(driver, machines)
    yield checks.authentication(machines)
    yield checks.clocks(machines)
    yield checks.seen_files(files, machines)
    yield checks.space(plans, store)
    yield checks.scratch(plans, machines)
    yield cluster.relay(store, machines)


@dataclass
class Visit:
    """A cluster that this process has joined, to look at it."""

    ray: Any

    def wait(self) -> Check:
        """Whether there is a machine that takes tasks; an autoscaler is asked for one and waited for."""
        if not self._working():
            asked = self.ray.remote(num_cpus=1, max_calls=1)(platform.node).remote()
            came, _ = self.ray.wait([asked], timeout=PATIENCE)
            if not came:
                self.ray.cancel(asked, force=True)
                found = f"none within {PATIENCE / 60:.0f} minutes"
                return Check(
                    "workers",
                    "failed",
                    found,
                    "a machine that takes tasks",
                    "See what `ray status` says on the head node.",
                )
        kinds = [_said(_kind(node)) for node in self._working()]
        return Check("workers", "ok", ", ".join(f"{kinds.count(kind)} with {kind}" for kind in dict.fromkeys(kinds)))

    def _working(self) -> list[dict[str, Any]]:
        return [node for node in self.ray.nodes() if node["Alive"] and any(count for _, count in _kind(node))]

    def look(self, packages: Sequence[str], files: Sequence[str]) -> tuple[list[Machine], list[str]]:
        """What every machine that is up says of itself, and what is to be said of those that do not answer."""
        asked = time.time()
        nodes = [node for node in self.ray.nodes() if node["Alive"]]
        answers = [self._on(node["NodeID"], look, packages, files) for node in nodes]
        machines, silent = [], []
        for node, answer in zip(nodes, answers, strict=True):
            try:
                seen = self.ray.get(answer, timeout=ANSWER)
                machines.append(Machine(node["NodeID"], _kind(node), seen, asked, time.time()))
            except (self.ray.exceptions.RayError, TimeoutError) as error:
                if self._is_up(node["NodeID"]):  # one that is gone is no fault
                    silent.append(f"{node['NodeManagerHostname']}: {_last_line(error)}")
        return machines, silent

    def relay(self, store: Store, machines: Sequence[Machine]) -> Check:
        """Whether every machine reads from the store what another one wrote, and writes there."""
        name, first = f"preflight-{secrets.token_hex(8)}", f"driver {time.time_ns()}".encode()
        before = first
        faults: list[str] = []
        try:
            store.prepare()
            store.leave(name, before)
        except UserError as error:
            return Check("store", "failed", str(error), "a store that the driver writes to", "Mend this first.")
        for each in machines:
            mine = f"{each.node} {time.time_ns()}".encode()
            try:
                fault = self.ray.get(self._on(each.node, pass_on, store, name, before, mine), timeout=ANSWER)
            except (self.ray.exceptions.RayError, TimeoutError) as error:
                fault = _last_line(error) if self._is_up(each.node) else None
                mine = before
            if fault:
                faults.append(f"{each.seen.host}: {fault}")
            else:
                before = mine
        if not faults and before != first and store.left(name) != before:
            faults.append("the driver does not see what the last machine left")
        store.take_back(name)
        if not faults:
            return Check("store", "ok", f"{store.root} is written and read by {checks.counted(len(machines))}")
        to_do = "Give a root that all machines share: object storage that they have credentials of, or a network disk."
        return Check("store", "failed", "; ".join(faults[: checks.NAMED]), "one store for all machines", to_do)

    def trials(self, machines: Sequence[Machine], plans: Sequence[StagePlan], attempt: Try) -> Iterator[Check]:
        """Whether one machine of each type loads what the stages load, and how much of its GPU a batch takes."""
        kinds = {each.kind: each for each in machines if any(count for _, count in each.kind)}
        distinct = list({type(each.stage): each.stage for each in plans if each.todo}.values())
        asked = {
            each.seen.host: self._on(
                each.node, load, distinct, attempt, gpus=int(dict(each.kind).get("GPU", 0) >= 1), calls=1
            )
            for each in kinds.values()
        }
        faults: list[str] = []
        tried: dict[str, GPUTrial | str] = {}
        ready, _ = self.ray.wait(list(asked.values()), num_returns=len(asked), timeout=PATIENCE)
        for host, answer in asked.items():
            if answer not in ready:
                faults.append(f"{host}: not within {PATIENCE / 60:.0f} minutes, or its GPUs are another job's")
                continue
            try:
                unloaded, trial = self.ray.get(answer)
            except self.ray.exceptions.RayError as error:
                unloaded, trial = [_last_line(error)], None
            faults += [f"{host}: {fault}" for fault in unloaded]
            tried |= {host: trial} if trial else {}
        if faults:
            to_do = "Give models by their repository on the hub, or on a disk that all machines have at the same path."
            yield Check("models", "failed", "; ".join(faults[: checks.NAMED]), "networks that load", to_do)
        else:
            yield Check("models", "ok", f"{len(distinct)} kinds of stages load what they need on {', '.join(asked)}")
        yield checks.memory(tried)
        yield checks.hours(plans, tried)

    def _on(self, node: str, function: Callable[..., Any], *arguments: Any, gpus: int = 0, calls: int = 0) -> Any:
        """Begin a call on one machine, which takes no CPU for it; its process ends after so many calls, unless that is 0."""
        here = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        task = self.ray.remote(num_cpus=0, num_gpus=gpus, max_calls=calls, max_retries=0)(function)
        return task.options(scheduling_strategy=here).remote(*arguments)

    def _is_up(self, node: str) -> bool:
        return any(each["NodeID"] == node and each["Alive"] for each in self.ray.nodes())


# What runs on the machines


def look(packages: Sequence[str], files: Sequence[str]) -> Seen:
    """Return what this machine says of itself."""
    return Seen(
        host=socket.gethostname(),
        python=platform.python_version(),
        packages={name: _release(name) for name in packages},
        time=time.time(),
        scratch=shutil.disk_usage(tempfile.gettempdir()).free,
        absent=tuple(path for path in files if not Path(path).exists()),
        by_token=_by_token(),
    )


def _by_token() -> bool:
    from ray._private.authentication.authentication_utils import is_token_auth_enabled

    return bool(is_token_auth_enabled())


def _release(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def pass_on(store: Store, name: str, before: bytes, mine: bytes) -> str | None:
    """Read what the machine before this one left in the store, and leave something for the next; why that cannot be, or None."""
    try:
        if (found := store.left(name)) != before:
            return f"reads {_short(found)} where the machine before it left {_short(before)}: it is another place"
        store.leave(name, mine)
    except UserError as error:
        return str(error)
    return None


def _short(content: bytes | None) -> str:
    return "nothing" if content is None else repr(content[:24].decode(errors="replace"))


def load(stages: Sequence[Stage], attempt: Try) -> tuple[list[str], GPUTrial | str | None]:
    """Load what stages load, one after another: why some do not, and what a batch of the first that is one took."""
    held: deque[Any] = deque(maxlen=LOADED_AT_ONCE)  # during the trial, too, as by a worker

    def keep(stage: Stage) -> None:
        held.append(stage.setup())

    with sharing():
        faults = [f"{stage.title}: {why}" for stage in stages if (why := _why(partial(keep, stage)))]
        if faults:
            return faults, None
        trial: list[GPUTrial | None] = []
        why = _why(lambda: trial.append(next((tried for stage in stages if (tried := attempt(stage))), None)))
    return [], why or trial[0]


def _why(call: Callable[[], Any]) -> str | None:
    """Why a call fails; None where it does not."""
    try:
        call()
    except UserError as error:
        return str(error)
    except Exception as error:
        return (
            f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no more is said'}"
        )
    return None


def _kind(node: dict[str, Any]) -> Kind:
    offered = {name: node["Resources"].get(name, 0.0) for name in ("CPU", "GPU")}
    types = {name: count for name, count in node["Resources"].items() if name.startswith("accelerator_type:")}
    return tuple((offered | types).items())


def _said(kind: Kind) -> str:
    """4 CPUs and 1 GPU."""
    counts = [f"{count:g} {name}{'s' if count != 1 else ''}" for name, count in kind[:2] if count]
    return " and ".join(counts)


def _last_line(error: BaseException) -> str:
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()
    return lines[-1].strip() if lines else "no answer"
